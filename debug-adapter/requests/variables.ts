/** variables, setVariable. */

import { hex } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { DeviceRegisterValue } from '../../vmm/protocol/messages.ts';
import type { Dap, Handlers } from '../dap.ts';
import type { Debuggee } from '../debuggee.ts';
import type { FrameRef, VariableNode } from '../nodes.ts';
import {
  CSR_GROUPS,
  csrFieldsOf,
  csrGroupOf,
  decodedFieldsOf,
  FLOAT_REGISTERS,
  INTEGER_REGISTERS,
  summarizeCsr,
} from '../registers.ts';
import type { Frame, Variable } from '../symbols/index.ts';
import {
  type ChildValue,
  children,
  evaluate,
  type Format,
  render,
  type Value,
  variableValue,
} from '../values/index.ts';
import { setByExpression } from './assign.ts';
import { debuggeeOf, type SessionContext } from './context.ts';

export const variableHandlers: Handlers<SessionContext> = {
  variables: async (context, { variablesReference, filter, start, count, format }) => {
    const debuggee = debuggeeOf(context);
    const node = nodeOf(debuggee, variablesReference);
    const lister = new VariableLister(
      debuggee,
      String(variablesReference),
      format?.hex === true ? 'x' : undefined,
    );
    const page = { ...(start === undefined ? {} : { start }), ...(count ? { count } : {}) };
    const all = await lister.list(node, page);
    // `indexed` and `named` split what a value has; only values have indexed children.
    const isIndexed = ({ name }: Dap.Variable) => name.startsWith('[');
    if (node.kind !== 'value' || filter === undefined) return { variables: all };
    return { variables: all.filter((variable) => isIndexed(variable) === (filter === 'indexed')) };
  },

  setVariable: async (context, { variablesReference, name, value, format }) => {
    const debuggee = debuggeeOf(context);
    const node = nodeOf(debuggee, variablesReference);
    const lister = new VariableLister(debuggee, String(variablesReference), undefined);
    const variable = (await lister.list(node, {})).find((one) => one.name === name);
    if (variable === undefined) throw new VmError('bad-request', `There is no variable "${name}" here.`);
    if (variable.evaluateName === undefined) throw new VmError('bad-request', `${name} cannot be set.`);
    const frame = 'level' in node ? node : { hart: 'hart' in node ? node.hart : 0, level: 0 };
    const set = await setByExpression(context, frame, variable.evaluateName, value, format?.hex === true);
    return set;
  },
};

function nodeOf({ handles }: Debuggee, reference: number): VariableNode {
  const node = handles.lookup(reference);
  if (node === undefined) throw new VmError('bad-request', 'These variables are of an earlier stop.');
  return node;
}

interface Page {
  readonly start?: number;
  readonly count?: number;
}

/** Lists the children of one node of the tree. */
class VariableLister {
  readonly #debuggee: Debuggee;
  /** Handles are found again by path, so that what was expanded stays so at the next stop. */
  readonly #path: string;
  readonly #format: Format | undefined;

  constructor(debuggee: Debuggee, path: string, format: Format | undefined) {
    this.#debuggee = debuggee;
    this.#path = path;
    this.#format = format;
  }

  async list(node: VariableNode, page: Page): Promise<Dap.Variable[]> {
    switch (node.kind) {
      case 'arguments':
      case 'locals':
      case 'globals':
        return this.#program(node);
      case 'integer-registers':
        return this.#integerRegisters(node);
      case 'float-registers':
        return this.#registers(node, FLOAT_REGISTERS);
      case 'csrs':
        return this.#csrGroups(node.hart);
      case 'csr-group':
        return this.#csrs(node.hart, node.group);
      case 'csr':
        return this.#csrFields(node.hart, node.name);
      case 'devices':
        return this.#devices();
      case 'device':
        return this.#deviceRegisters(node.device);
      case 'device-register':
        return this.#deviceFields(node.device, node.register);
      case 'value':
        return this.#children(node, page);
    }
  }

  async #program({ kind, hart, level }: Extract<VariableNode, { kind: 'locals' | 'arguments' | 'globals' }>) {
    const { view } = this.#debuggee;
    const frame = await view.frame(hart, level);
    const { symbols, view: hartView } = await view.hart(hart);
    const variables =
      kind === 'globals'
        ? symbols.globalsAt(frame.lookupPc)
        : symbols
            .scopesAt(frame)
            .flatMap((scope) => scope.variables)
            .filter((variable) => (variable.kind === 'parameter') === (kind === 'arguments'));
    const seen = new Map<string, number>();
    const named = variables.map((variable) => ({ variable, name: disambiguate(variable, seen) }));
    return Promise.all(
      named.map(async ({ variable, name }) => {
        const value = await variableValue(variable, frame, hartView);
        return this.#describe({ hart, level }, name, value, name === variable.name ? name : undefined);
      }),
    );
  }

  async #integerRegisters(ref: FrameRef): Promise<Dap.Variable[]> {
    const { registers } = await this.#debuggee.view.hart(ref.hart);
    return [
      ...(await this.#registers(ref, ['pc', ...INTEGER_REGISTERS])),
      {
        name: 'privilege',
        value: registers.privilege,
        variablesReference: 0,
        presentationHint: { attributes: ['readOnly'] },
      },
      {
        name: 'steps',
        value: String(registers.steps),
        variablesReference: 0,
        presentationHint: { attributes: ['readOnly'] },
      },
    ];
  }

  async #registers({ hart, level }: FrameRef, names: readonly string[]): Promise<Dap.Variable[]> {
    const context = await this.#context({ hart, level });
    return Promise.all(
      names.map(async (name) => {
        const { value } = await evaluate(`$${name}`, context);
        const isFloat = FLOAT_REGISTERS.includes(name);
        return this.#describe({ hart, level }, name, value, `$${name}`, isFloat ? undefined : 'x');
      }),
    );
  }

  async #csrGroups(hart: number): Promise<Dap.Variable[]> {
    const csrs = await this.#debuggee.view.csrs(hart);
    const counts = new Map<string, number>();
    for (const { name, number } of csrs.values()) {
      const group = csrGroupOf(name, number);
      counts.set(group, (counts.get(group) ?? 0) + 1);
    }
    return CSR_GROUPS.filter((group) => counts.has(group)).map((group) => ({
      name: group,
      value: `${counts.get(group)} registers`,
      variablesReference: this.#handle(group, { kind: 'csr-group', hart, group }),
      presentationHint: { kind: 'virtual' },
    }));
  }

  async #csrs(hart: number, group: string): Promise<Dap.Variable[]> {
    const csrs = await this.#debuggee.view.csrs(hart);
    return [...csrs.values()]
      .filter(({ name, number }) => csrGroupOf(name, number) === group)
      .map(({ name, value }) => ({
        name,
        value: summarizeCsr(name, value),
        evaluateName: `$${name}`,
        variablesReference:
          (csrFieldsOf(name)?.length ?? 0) > 0 ? this.#handle(name, { kind: 'csr', hart, name }) : 0,
      }));
  }

  async #csrFields(hart: number, name: string): Promise<Dap.Variable[]> {
    const csr = (await this.#debuggee.view.csrs(hart)).get(name.toLowerCase());
    if (csr === undefined) return [];
    return decodedFieldsOf(name, csr.value).map((field) => ({
      name: field.name,
      value: describeField(field.value, field.text),
      type: bitsOf(field),
      evaluateName: `$${name}.${field.name}`,
      variablesReference: 0,
    }));
  }

  async #devices(): Promise<Dap.Variable[]> {
    const { devices } = await this.#debuggee.vm.request('vm.devices', { values: false });
    return devices.map(({ name, base, size, compatible, irqs, registers }) => ({
      name,
      value: `${hex(base)} .. ${hex(base + BigInt(size) - 1n)}${irqs.length === 0 ? '' : `, irq ${irqs.join(', ')}`}`,
      type: compatible,
      memoryReference: `pa:${hex(base)}`,
      variablesReference: registers.length === 0 ? 0 : this.#handle(name, { kind: 'device', device: name }),
    }));
  }

  async #deviceRegisters(device: string): Promise<Dap.Variable[]> {
    const registers = await this.#registersOf(device);
    return registers.map((register) => ({
      name: register.name,
      value: register.value === null ? 'not readable' : hex(register.value, register.size * 2),
      type: `${register.size * 8} bits at +${hex(register.offset)}${register.description === null ? '' : `: ${register.description}`}`,
      variablesReference:
        register.fields.length === 0
          ? 0
          : this.#handle(register.name, { kind: 'device-register', device, register: register.name }),
      presentationHint: { attributes: ['readOnly'] },
    }));
  }

  async #deviceFields(device: string, name: string): Promise<Dap.Variable[]> {
    const register = (await this.#registersOf(device)).find((one) => one.name === name);
    return (register?.fields ?? []).map((field) => ({
      name: field.name,
      value: describeDeviceField(field.value, field.text),
      type: bitsOf(field),
      variablesReference: 0,
      presentationHint: { attributes: ['readOnly'] },
    }));
  }

  async #registersOf(device: string): Promise<readonly DeviceRegisterValue[]> {
    const { devices } = await this.#debuggee.vm.request('vm.devices', { values: true });
    return devices.find(({ name }) => name === device)?.registers ?? [];
  }

  async #children(
    { hart, level, value, evaluateName }: Extract<VariableNode, { kind: 'value' }>,
    page: Page,
  ): Promise<Dap.Variable[]> {
    const context = await this.#context({ hart, level });
    const format = this.#format === undefined ? {} : { format: this.#format };
    const listed = await children(value, evaluateName, context, { ...page, ...format });
    return Promise.all(
      listed.map((child: ChildValue) =>
        this.#describe({ hart, level }, child.name, child.value, child.evaluateName),
      ),
    );
  }

  async #describe(
    ref: FrameRef,
    name: string,
    value: Value,
    evaluateName: string | undefined,
    format = this.#format,
  ): Promise<Dap.Variable> {
    const rendered = await render(value, await this.#context(ref), format);
    const hasChildren = rendered.namedChildren + rendered.indexedChildren > 0;
    const node = { kind: 'value', value, evaluateName: evaluateName ?? name, ...ref } as const;
    return {
      name,
      value: rendered.text,
      type: rendered.type,
      variablesReference: hasChildren ? this.#handle(name, node) : 0,
      ...(rendered.namedChildren > 0 ? { namedVariables: rendered.namedChildren } : {}),
      ...(rendered.indexedChildren > 0 ? { indexedVariables: rendered.indexedChildren } : {}),
      ...(evaluateName === undefined ? {} : { evaluateName }),
      ...(rendered.memoryReference === undefined ? {} : { memoryReference: rendered.memoryReference }),
      ...(value.lvalue === undefined ? { presentationHint: { attributes: ['readOnly'] } } : {}),
    };
  }

  async #context({ hart, level }: FrameRef) {
    const frame: Frame = await this.#debuggee.view.frame(hart, level);
    return this.#debuggee.view.evaluationContext(hart, frame);
  }

  #handle(name: string, node: VariableNode): number {
    return this.#debuggee.handles.get(`${this.#path}/${name}`, node);
  }
}

/** An outer variable that an inner one hides cannot be named in an expression; it is shown with its line. */
function disambiguate({ name, declaration }: Variable, seen: Map<string, number>): string {
  const count = (seen.get(name) ?? 0) + 1;
  seen.set(name, count);
  if (count === 1) return name;
  return declaration === undefined ? `${name} (outer ${count - 1})` : `${name} (line ${declaration.line})`;
}

/** `3: dirty`; a text that is just the number is not said twice. */
function describeField(value: bigint, text: string | undefined): string {
  return text === undefined || text === String(value) || text === hex(value)
    ? (text ?? String(value))
    : `${value}: ${text}`;
}

/** The text may say what the value means, or only what the field is. */
function describeDeviceField(value: bigint | null, text: string | null): string {
  const number = value === null ? 'not readable' : String(value);
  return text === null ? number : `${number} (${text})`;
}

const bitsOf = ({ low, high }: { low: number; high: number }): string =>
  low === high ? `bit ${low}` : `bits ${high}:${low}`;
