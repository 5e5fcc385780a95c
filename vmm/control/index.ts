export { describe } from './errors.ts';
export { type ControlOptions, ControlServer } from './server.ts';
export { VmLoop } from './vm-loop.ts';
