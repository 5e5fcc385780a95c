type Attributes = Readonly<Record<string, string | boolean | ((event: Event) => void) | undefined>>;
type Child = Node | string | undefined;

/** An element: attributes by name, listeners as `onclick: …`, `true` for a bare attribute. Text is never parsed as HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (typeof value === 'string') node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

interface WebviewApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): WebviewApi;

/** The one connection to the extension that a webview has. */
export function connect<From, To>(receive: (message: To) => void) {
  const api = acquireVsCodeApi();
  window.addEventListener('message', ({ data }: MessageEvent<To>) => receive(data));
  return {
    send: (message: From) => api.postMessage(message),
    load: <State>() => api.getState() as State | undefined,
    save: (state: unknown) => api.setState(state),
  };
}

/** What a view says while there is no machine to show. */
export function welcome(text: string, start: () => void): HTMLElement {
  return element(
    'div',
    { class: 'welcome' },
    element('p', {}, text),
    element('button', { class: 'primary', onclick: start }, 'Start Debugging'),
  );
}
