import { findPostgres } from '../../src/testing/index.ts';
import { withstand } from './withstand.ts';

withstand(findPostgres().major);
