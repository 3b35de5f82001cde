/** Reads an XML file of another product. Entities are not expanded and nothing outside the text is fetched. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { LockstepError } from '../../base/index.ts';

/** Names are without their prefix. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Its own text, trimmed. */
  readonly text: string;
}

const TEXT = '#text';
const ATTRIBUTES = ':@';

type RawNode = Readonly<Record<string, unknown>>;

export function readXml(text: string, file: string): XmlElement {
  if (/<!ENTITY/i.test(text)) throw unreadable(file, 'it declares entities, which are not expanded');
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw unreadable(file, `line ${valid.err.line}: ${valid.err.msg}`);
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: '',
    removeNSPrefix: true,
    parseTagValue: false,
    parseAttributeValue: false,
    ignoreDeclaration: true,
    ignorePiTags: true,
    trimValues: true,
    processEntities: false,
  });
  const [root] = elementsOf(parser.parse(text) as readonly RawNode[]);
  if (root === undefined) throw unreadable(file, 'it holds no element');
  return root;
}

function elementsOf(nodes: readonly RawNode[]): readonly XmlElement[] {
  return nodes.flatMap((node) => {
    const name = Object.keys(node).find((key) => key !== ATTRIBUTES && key !== TEXT);
    if (name === undefined) return [];
    const inner = node[name] as readonly RawNode[];
    const attributes = Object.entries((node[ATTRIBUTES] ?? {}) as Readonly<Record<string, string>>);
    return [
      {
        name,
        attributes: new Map(attributes.map(([key, value]) => [key, decode(value).trim()])),
        children: elementsOf(inner),
        text: decode(inner.map(textOf).join('')).trim(),
      },
    ];
  });
}

function textOf(node: RawNode): string {
  const text = node[TEXT];
  return typeof text === 'string' ? text : '';
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The five that XML itself knows, and characters by their number. */
function decode(text: string): string {
  return text.replaceAll(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos));/gi,
    (whole, ten, hex, name) => {
      if (name !== undefined) return NAMED[String(name).toLowerCase()] ?? whole;
      const code = ten === undefined ? Number.parseInt(hex, 16) : Number(ten);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

/** The first of these below, at any depth, in the order of the file. */
export function find(element: XmlElement, ...names: readonly string[]): XmlElement | undefined {
  for (const child of element.children) {
    if (names.includes(child.name)) return child;
    const inner = find(child, ...names);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

export function childrenOf(element: XmlElement, ...names: readonly string[]): readonly XmlElement[] {
  return element.children.filter(({ name }) => names.includes(name));
}

/** What an attribute says, or else a child of that name; undefined when neither says anything. */
export function valueOf(element: XmlElement, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = element.attributes.get(name) ?? childrenOf(element, name)[0]?.text;
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}

function unreadable(file: string, why: string): LockstepError {
  return new LockstepError({
    code: 'config.import-unreadable',
    message: `${file} cannot be read: ${why}`,
    hint: 'name the XML file in which the other product describes its databases',
  });
}
