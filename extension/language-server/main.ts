/**
 * The language server for RISC-V assembly: converts between the Language Server Protocol and the functions beside it,
 * which know nothing of it.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  CompletionItemKind,
  createConnection,
  type Diagnostic,
  DiagnosticSeverity,
  MarkupKind,
  ProposedFeatures,
  type Range,
  TextDocumentSyncKind,
  TextDocuments,
} from 'vscode-languageserver/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { completionsAt, type Suggestion } from './completion.ts';
import { type Finding, findProblems, isOtherArchitecture } from './diagnostics.ts';
import { hoverAt } from './hover.ts';
import { surroundingsOf } from './include-files.ts';
import { type AssemblySource, parseSource } from './source.ts';

const connection = createConnection(ProposedFeatures.all);
const documents = new TextDocuments(TextDocument);
const parsed = new WeakMap<TextDocument, { version: number; source: AssemblySource }>();

connection.onInitialize(() => ({
  capabilities: {
    textDocumentSync: TextDocumentSyncKind.Incremental,
    hoverProvider: true,
    completionProvider: { triggerCharacters: ['.', ',', '(', '%'] },
  },
  serverInfo: { name: 'Hartscope assembly' },
}));

connection.onHover(({ textDocument, position }) => {
  const source = sourceOf(textDocument.uri);
  if (source === undefined || isOtherArchitecture(source)) return null;
  const hover = hoverAt(source, position.line, position.character);
  if (hover === undefined) return null;
  return {
    contents: { kind: MarkupKind.Markdown, value: hover.markdown },
    range: rangeOf(position.line, hover),
  };
});

connection.onCompletion(({ textDocument, position }) => {
  const source = sourceOf(textDocument.uri);
  if (source === undefined || isOtherArchitecture(source)) return [];
  return completionsAt(source, position.line, position.character).map((suggestion) => ({
    label: suggestion.label,
    kind: ITEM_KINDS[suggestion.kind],
    detail: suggestion.detail,
    ...(suggestion.documentation === undefined
      ? {}
      : { documentation: { kind: MarkupKind.Markdown, value: suggestion.documentation } }),
    textEdit: { range: rangeOf(position.line, suggestion), newText: suggestion.label },
  }));
});

documents.onDidChangeContent(({ document }) => void publish(document));
// A saved header may define what another file uses.
documents.onDidSave(() => {
  for (const document of documents.all()) void publish(document);
});
documents.onDidClose(
  ({ document }) => void connection.sendDiagnostics({ uri: document.uri, diagnostics: [] }),
);
documents.listen(connection);
connection.listen();

const ITEM_KINDS: Readonly<Record<Suggestion['kind'], CompletionItemKind>> = {
  instruction: CompletionItemKind.Function,
  directive: CompletionItemKind.Keyword,
  macro: CompletionItemKind.Snippet,
  register: CompletionItemKind.Variable,
  csr: CompletionItemKind.Field,
  symbol: CompletionItemKind.Reference,
  keyword: CompletionItemKind.Keyword,
};

function sourceOf(uri: string): AssemblySource | undefined {
  const document = documents.get(uri);
  return document === undefined ? undefined : sourceOfDocument(document);
}

function sourceOfDocument(document: TextDocument): AssemblySource {
  const known = parsed.get(document);
  if (known?.version === document.version) return known.source;
  const source = parseSource(document.getText());
  parsed.set(document, { version: document.version, source });
  return source;
}

async function publish(document: TextDocument): Promise<void> {
  const { uri, version } = document;
  const source = sourceOfDocument(document);
  const surroundings = uri.startsWith('file:')
    ? await surroundingsOf(fileURLToPath(uri), source, (path) =>
        readFile(path, 'utf8').catch(() => undefined),
      )
    : { macros: new Set<string>(), complete: source.includes.length === 0 && !source.opaqueInclude };
  // Reading took a while: what was typed since has its own turn.
  if (documents.get(uri)?.version !== version) return;
  const diagnostics = findProblems(source, surroundings).map(toDiagnostic);
  await connection.sendDiagnostics({ uri, version, diagnostics });
}

const SEVERITIES: Readonly<Record<Finding['severity'], DiagnosticSeverity>> = {
  error: DiagnosticSeverity.Error,
  information: DiagnosticSeverity.Information,
};

function toDiagnostic(finding: Finding): Diagnostic {
  return {
    range: rangeOf(finding.line, finding),
    severity: SEVERITIES[finding.severity],
    code: finding.code,
    source: 'hartscope',
    message: finding.message,
  };
}

const rangeOf = (line: number, { start, end }: { start: number; end: number }): Range => ({
  start: { line, character: start },
  end: { line, character: end },
});
