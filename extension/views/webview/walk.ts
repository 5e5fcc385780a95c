import { connect, element, welcome } from '../shared/dom.ts';
import type { FromWalkView, ToWalkView, WalkAnswer, WalkState } from '../shared/messages.ts';
import { addressFields, MEMORY_TYPES, PTE_FLAGS, pageSizeText } from '../shared/walk-model.ts';

const root = document.getElementById('walk')!;
const { send } = connect<FromWalkView, ToWalkView>(({ state }) => show(state));

const input = element('input', {
  type: 'text',
  'aria-label': 'Address or expression to walk',
  placeholder: 'Address or expression: 0x80200000, $sp, &table',
  spellcheck: 'false',
  onkeydown: (event) => (event as KeyboardEvent).key === 'Enter' && walk(),
});
const access = element(
  'select',
  { 'aria-label': 'Access', title: 'Which access to check the permissions for', onchange: () => walk() },
  ...['read', 'write', 'execute'].map((name) => element('option', { value: name }, name)),
);
const toolbar = element(
  'div',
  { class: 'toolbar' },
  input,
  access,
  element('button', { class: 'primary', onclick: () => walk() }, 'Walk'),
);
const content = element('div', { class: 'content', 'aria-live': 'polite' });

send({ type: 'ready' });

function walk(): void {
  const address = input.value.trim();
  if (address !== '') send({ type: 'walk', address, access: access.value as WalkState['access'] });
}

function show(state: WalkState): void {
  if (state.session === null) {
    const start = () => send({ type: 'start' });
    root.replaceChildren(
      welcome('Start a machine to walk an address through its page tables, level by level.', start),
    );
    return;
  }
  if (!toolbar.isConnected) root.replaceChildren(toolbar, content);
  // What is being typed is not overwritten by a stop.
  if (document.activeElement !== input) input.value = state.address;
  access.value = state.access;
  content.classList.toggle('stale', state.session.state !== 'stopped');
  content.replaceChildren(...body(state));
}

function body({ session, result, problem, hart }: WalkState): HTMLElement[] {
  if (problem !== null) return [element('div', { class: 'outcome fault', role: 'alert' }, problem)];
  if (result === null) {
    const wait = session?.state === 'stopped' ? 'Walking…' : 'The walk is shown when the machine stops.';
    return [element('p', { class: 'hint' }, wait)];
  }
  return [outcome(result, hart), addressBar(result), ...(result.levels.length > 0 ? [levels(result)] : [])];
}

/** The answer in one line: where the address leads, or why nowhere. */
function outcome({ mode, address, physical, pageSize, fault }: WalkAnswer, hart: number | null): HTMLElement {
  const size = pageSize === undefined ? 'not translated' : `${pageSizeText(pageSize)} page`;
  return element(
    'div',
    { class: `outcome ${fault === undefined ? 'mapped' : 'fault'}` },
    element('span', { class: 'mode' }, mode),
    element('code', {}, address),
    element('span', { class: 'hint' }, '→'),
    fault === undefined
      ? element('code', { class: 'physical', title: 'Guest-physical address' }, physical ?? '')
      : element('span', {}, fault),
    fault === undefined ? element('span', { class: 'hint' }, `guest-physical, ${size}`) : undefined,
    hart === null ? undefined : element('span', { class: 'hint' }, `hart ${hart}`),
  );
}

/** The virtual address as a bar of its fields; the colour of a field is that of its level's row. */
function addressBar(result: WalkAnswer): HTMLElement {
  const fields = addressFields(result).map(({ name, high, low, value, level }) =>
    element(
      'div',
      { class: `field ${level === undefined ? 'plain' : `level${level}`}`, title: `bits ${high}:${low}` },
      element('span', { class: 'name' }, name),
      element('code', {}, `0x${value.toString(16)}`),
      element('span', { class: 'bits' }, `${high}:${low}`),
    ),
  );
  return element('div', { class: 'address' }, ...fields);
}

const HEADINGS = ['Level', 'Table', 'Index', 'PTE', 'Flags', 'Points to', 'PTE address'];

function levels({ levels: all }: WalkAnswer): HTMLElement {
  const rows = all.map(({ level, table, index, pteAddress, pte, flags, memoryType, target, leaf }) => {
    const valid = flags.includes('V');
    return element(
      'tr',
      {},
      element('td', {}, element('span', { class: `swatch level${level}` }), String(level)),
      element('td', {}, element('code', {}, table)),
      element('td', { class: 'number' }, element('code', {}, String(index))),
      element(
        'td',
        { title: `read from ${pteAddress}: the table's address + 8 × ${index}` },
        element('code', {}, pte),
      ),
      element('td', {}, flagChips(flags, memoryType)),
      element(
        'td',
        { class: leaf ? 'physical' : undefined, title: leaf ? 'the page' : 'the next table' },
        element('code', {}, valid ? target : '–'),
      ),
      element('td', {}, element('code', {}, pteAddress)),
    );
  });
  const head = element('tr', {}, ...HEADINGS.map((text) => element('th', { scope: 'col' }, text)));
  return element(
    'div',
    { class: 'scroll' },
    element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)),
  );
}

function flagChips(flags: string, memoryType?: keyof typeof MEMORY_TYPES): HTMLElement {
  // N has a place only where it is set: few tables use it, and the row has no room to spare.
  const shown = PTE_FLAGS.filter(([flag]) => flag !== 'N' || flags.includes(flag));
  const chips = shown.map(([flag, meaning]) => {
    const on = flags.includes(flag);
    return element(
      'span',
      { class: on ? 'flag on' : 'flag', title: `${flag} = ${on ? 1 : 0}: ${on ? '' : 'not '}${meaning}` },
      flag,
    );
  });
  const type =
    memoryType === undefined
      ? []
      : [element('span', { class: 'flag on', title: MEMORY_TYPES[memoryType] }, memoryType)];
  const label = ['flags', flags, ...(memoryType === undefined ? [] : [memoryType])].join(' ');
  return element('span', { class: 'flags', 'aria-label': label }, ...type, ...chips.reverse());
}
