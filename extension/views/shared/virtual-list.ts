import { element } from './dom.ts';

/** Height of a row in CSS pixels; `trace.css` sets the same. */
const ROW_HEIGHT = 22;
/** Rows made beyond each edge of what is visible, so that a short scroll shows no gap. */
const OVERSCAN = 10;

interface ListOptions {
  readonly label: string;
  count(): number;
  row(index: number): HTMLElement;
  /** The person scrolled up from the end. */
  onScrollAway(): void;
  onScrollToEnd(): void;
  /** An arrow or page key moves the selection by `rows`. */
  onMove(rows: number): void;
  onEnter(): void;
}

/** A list of rows of equal height that holds elements only for the rows in sight. */
export class VirtualList {
  readonly element: HTMLElement;
  readonly #options: ListOptions;
  readonly #space: HTMLElement;
  /** Scrolling by the list itself is not the person's. */
  #expectedTop = 0;

  constructor(options: ListOptions) {
    this.#options = options;
    this.#space = element('div', { class: 'space' });
    this.element = element(
      'div',
      {
        class: 'list',
        role: 'listbox',
        tabindex: '0',
        'aria-label': options.label,
        onscroll: () => this.#scrolled(),
        onkeydown: (event) => this.#key(event as KeyboardEvent),
      },
      this.#space,
    );
    new ResizeObserver(() => this.#draw()).observe(this.element);
  }

  /** Draws what changed; with `toEnd` the last row is scrolled into view. */
  update(toEnd: boolean): void {
    this.#space.style.height = `${this.#options.count() * ROW_HEIGHT}px`;
    if (toEnd) this.#scrollTo(this.#space.offsetHeight);
    this.#draw();
  }

  reveal(index: number): void {
    const { scrollTop, clientHeight } = this.element;
    const top = index * ROW_HEIGHT;
    if (top < scrollTop) this.#scrollTo(top);
    else if (top + ROW_HEIGHT > scrollTop + clientHeight) this.#scrollTo(top + ROW_HEIGHT - clientHeight);
    this.#draw();
  }

  #scrollTo(top: number): void {
    this.element.scrollTop = top;
    this.#expectedTop = this.element.scrollTop;
  }

  #scrolled(): void {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    if (Math.abs(scrollTop - this.#expectedTop) > 1) {
      this.#expectedTop = scrollTop;
      if (scrollTop + clientHeight >= scrollHeight - 1) this.#options.onScrollToEnd();
      else this.#options.onScrollAway();
    }
    this.#draw();
  }

  #draw(): void {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(
      this.#options.count(),
      Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + OVERSCAN,
    );
    const rows = [];
    for (let index = first; index < last; index += 1) {
      const row = this.#options.row(index);
      row.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
      rows.push(row);
    }
    this.#space.replaceChildren(...rows);
  }

  #key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW_HEIGHT) - 1);
    const rows = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[
      event.key
    ];
    if (rows !== undefined) this.#options.onMove(rows);
    else if (event.key === 'Enter') this.#options.onEnter();
    else return;
    event.preventDefault();
  }
}
