export { SavedReader } from '../contracts/saved.ts';
