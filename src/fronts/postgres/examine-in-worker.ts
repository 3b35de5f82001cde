/** The thread of `Examiner`: judges one text at a time, by the answers that came with it. */

import { parentPort } from 'node:worker_threads';
import { AskedCatalog, Classifier } from '../../sql/index.ts';
import { examinedBytesMax, examinedTokensMax } from './examiner.ts';
import type { Question, Reply } from './examiner.ts';

const classifier = await Classifier.load({
  parseBytesMax: examinedBytesMax,
  parseTokensMax: examinedTokensMax,
  cacheEntriesMax: 1,
});

parentPort?.on('message', ({ text, reading, answers }: Question) => {
  const catalog = new AskedCatalog(answers);
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  const statements = classifier.classify(bytes, catalog, reading);
  const reply: Reply = catalog.unanswered.size > 0 ? { asked: catalog.unanswered } : { statements };
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(reply);
});
