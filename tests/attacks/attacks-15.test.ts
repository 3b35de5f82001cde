import { withstand } from './withstand.ts';

withstand(15);
