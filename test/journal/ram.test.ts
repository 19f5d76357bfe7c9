import { ramJournal } from '../../src/journal/ram.ts';
import { journalConformance } from './conformance.ts';

journalConformance('ram', async () => ({ journal: ramJournal() }));
