export { answer, answerReference, answerSchemas } from './answer.ts';
export {
  eventsAnswer,
  reloadAnswer,
  resultAnswer,
  sessionsAnswer,
  statusAnswer,
  trafficAnswer,
} from './cluster-answers.ts';
export { configAnswer, configChangedAnswer, preflightAnswer } from './settings-answers.ts';
export {
  errorAnswer,
  jobAnswer,
  jobsAnswer,
  lastVerificationAnswer,
  namedJobAnswer,
} from './work-answers.ts';
