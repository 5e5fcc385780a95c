import { EXIT_KINDS, type ExitKind } from '../../../vmm/protocol/exits.ts';
import { connect, element, welcome } from '../shared/dom.ts';
import type { FromTraceView, ShownSession, ToTraceView, TraceRecord } from '../shared/messages.ts';
import { conditionOf, matchesWords, recordFields } from '../shared/trace-model.ts';
import { VirtualList } from '../shared/virtual-list.ts';

/** As many as the extension keeps; see `trace-feed.ts`. */
const RECORDS_MAX = 20_000;
const FILTER_DELAY_MS = 250;

interface SavedState {
  readonly text: string;
  readonly kinds: readonly ExitKind[];
}

const root = document.getElementById('trace')!;
const { send, load, save } = connect<FromTraceView, ToTraceView>(receive);
let records: TraceRecord[] = [];
let matching: TraceRecord[] = [];
let missed = 0;
let follow = true;
let session: ShownSession | null = null;
let selected: number | undefined;
const saved = load<SavedState>();
const kinds = new Set<ExitKind>(saved?.kinds ?? []);

const input = element('input', {
  type: 'text',
  value: saved?.text ?? '',
  'aria-label': 'Filter',
  placeholder: 'Filter: words, or a condition such as device == "uart0" && write',
  spellcheck: 'false',
  oninput: filterSoon,
});
/** Kinds that have a button: those seen in this session. */
const seenKinds = new Set<ExitKind>(kinds);
const kindButtons = EXIT_KINDS.map((kind) =>
  element(
    'button',
    {
      hidden: !kinds.has(kind),
      class: `chip kind-${kind}`,
      'aria-pressed': String(kinds.has(kind)),
      title: `Only ${kind} exits (and others chosen here)`,
      onclick: (event) => toggleKind(kind, event.currentTarget as HTMLElement),
    },
    kind,
  ),
);
const followButton = element('button', { class: 'toggle', onclick: () => setFollow(!follow) });
const status = element('span', { class: 'hint status' });
const problem = element('div', { class: 'outcome fault', role: 'alert', hidden: true });
const details = element('div', { class: 'details', hidden: true });
const list = new VirtualList({
  label: 'Exits and device accesses',
  count: () => matching.length,
  row: (index) => row(matching[index]!),
  onScrollAway: () => setFollow(false),
  onScrollToEnd: () => setFollow(true),
  onMove: (step) => moveSelection(step),
  onEnter: () => openSelected(),
});
const page = [
  element('div', { class: 'toolbar' }, input, status, followButton),
  element('div', { class: 'chips', role: 'group', 'aria-label': 'Kinds of exit' }, ...kindButtons),
  problem,
  heading(),
  list.element,
  details,
];

setFollow(true);
send({ type: 'ready' });

function receive(message: ToTraceView): void {
  switch (message.type) {
    case 'session':
      // Each session has a feed of its own, which knows whether it shows this filter already.
      if (session?.id !== message.session?.id) sendFilter(true);
      session = message.session;
      break;
    case 'reset':
      records = [];
      matching = [];
      missed = 0;
      select(undefined);
      break;
    case 'append':
      append(message.records);
      missed = message.missed;
      break;
    case 'problem':
      problem.hidden = message.message === null;
      problem.textContent = message.message;
      break;
    case 'toggleFollow':
      setFollow(!follow);
      break;
  }
  render();
}

function append(added: readonly TraceRecord[]): void {
  for (const { exit } of added) {
    if (seenKinds.has(exit.kind)) continue;
    seenKinds.add(exit.kind);
    kindButtons[EXIT_KINDS.indexOf(exit.kind)]!.hidden = false;
  }
  records = [...records, ...added].slice(-RECORDS_MAX);
  matching = [...matching, ...added.filter((record) => matchesWords(record, words()))].slice(-RECORDS_MAX);
}

function render(): void {
  if (session === null) {
    const text =
      'Start a machine to see every exit from the guest to the VMM: device accesses, SBI calls, traps, interrupts.';
    root.replaceChildren(welcome(text, () => send({ type: 'start' })));
    return;
  }
  if (!list.element.isConnected) root.replaceChildren(...page);
  const shownCount = matching.length.toLocaleString('en');
  const lost = missed > 0 ? `, ${missed.toLocaleString('en')} older gone` : '';
  status.textContent = `${shownCount} ${matching.length === 1 ? 'record' : 'records'}${lost}`;
  list.update(follow);
}

function setFollow(on: boolean): void {
  follow = on;
  followButton.textContent = on ? 'Following' : 'Follow';
  followButton.title = on ? 'New records are scrolled into view' : 'Scroll to the newest record and follow';
  followButton.setAttribute('aria-pressed', String(on));
  if (list.element.isConnected) list.update(on);
}

// Filtering: a condition and kinds are looked up by the machine, over its whole trace; words by this page.

let filterTimer: number | undefined;
let sentFilter = '{}';

function filterSoon(): void {
  window.clearTimeout(filterTimer);
  filterTimer = window.setTimeout(() => {
    sendFilter();
    matching = records.filter((record) => matchesWords(record, words()));
    render();
  }, FILTER_DELAY_MS);
}

function sendFilter(always = false): void {
  save({ text: input.value, kinds: [...kinds] } satisfies SavedState);
  const condition = conditionOf(input.value);
  const filter = {
    ...(kinds.size === 0 ? {} : { kinds: [...kinds] }),
    ...(condition === undefined ? {} : { condition }),
  };
  const text = JSON.stringify(filter);
  if (text === sentFilter && !always) return;
  sentFilter = text;
  send({ type: 'filter', filter });
}

const words = (): string => (conditionOf(input.value) === undefined ? input.value : '');

function toggleKind(kind: ExitKind, button: HTMLElement): void {
  if (!kinds.delete(kind)) kinds.add(kind);
  button.setAttribute('aria-pressed', String(kinds.has(kind)));
  sendFilter();
}

// Rows

function heading(): HTMLElement {
  const names = ['No.', 'Step', 'Hart', 'Kind', 'What', 'Where', 'ns'];
  return element('div', { class: 'row heading' }, ...names.map((name) => element('span', {}, name)));
}

function row(record: TraceRecord): HTMLElement {
  const { sequence, step, hart, stage, pc, location, handlerNs, exit, text } = record;
  const classes = ['row', ...(sequence === selected ? ['selected'] : [])];
  return element(
    'div',
    {
      class: classes.join(' '),
      role: 'option',
      id: `record-${sequence}`,
      'aria-selected': String(sequence === selected),
      onclick: () => select(record),
      ondblclick: () => send({ type: 'openSource', pc }),
    },
    element('span', { class: 'number' }, String(sequence)),
    element('span', { class: 'number' }, BigInt(step).toString()),
    element('span', { class: 'number' }, String(hart)),
    element('span', {}, element('span', { class: `badge kind-${exit.kind}` }, exit.kind)),
    element('span', { class: 'what', title: text }, text),
    element('span', { class: 'where', title: `${pc}, ${stage}` }, location ?? pc),
    element('span', { class: 'number' }, handlerNs > 0 ? String(handlerNs) : ''),
  );
}

function select(record: TraceRecord | undefined): void {
  selected = record?.sequence;
  details.hidden = record === undefined;
  list.element.setAttribute('aria-activedescendant', record === undefined ? '' : `record-${record.sequence}`);
  if (record === undefined) return;
  setFollow(false);
  send({ type: 'openSource', pc: record.pc });
  details.replaceChildren(
    ...recordFields(record).map(([name, value]) =>
      element(
        'span',
        { class: 'pair' },
        element('span', { class: 'hint' }, name),
        ' ',
        element('code', {}, value),
      ),
    ),
    element(
      'button',
      { class: 'link', onclick: () => send({ type: 'walk', address: record.pc }) },
      'Walk pc',
    ),
  );
  list.update(false);
}

function moveSelection(step: number): void {
  const at = matching.findIndex(({ sequence }) => sequence === selected);
  const next = at < 0 ? matching.length - 1 : Math.min(matching.length - 1, Math.max(0, at + step));
  const record = matching[next];
  if (record === undefined) return;
  select(record);
  list.reveal(next);
}

function openSelected(): void {
  const record = matching.find(({ sequence }) => sequence === selected);
  if (record !== undefined) send({ type: 'openSource', pc: record.pc });
}
