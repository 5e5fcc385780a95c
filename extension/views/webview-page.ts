import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/**
 * Sets up a webview that runs `dist/webview/<name>.js` with `<name>.css` and nothing else: no inline script or style,
 * no network (the content security policy denies what it does not name).
 */
export function setUpPage(webview: vscode.Webview, extension: vscode.Uri, name: string): void {
  const scripts = vscode.Uri.joinPath(extension, 'dist', 'webview');
  const styles = vscode.Uri.joinPath(extension, 'extension', 'views', 'media');
  webview.options = { enableScripts: true, localResourceRoots: [scripts, styles] };
  const nonce = randomBytes(16).toString('base64');
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${webview.cspSource};`;
  const style = (file: string) =>
    `<link rel="stylesheet" href="${webview.asWebviewUri(vscode.Uri.joinPath(styles, file))}">`;
  webview.html = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
${style('common.css')}
${style(`${name}.css`)}
</head>
<body>
<main id="${name}"></main>
<script nonce="${nonce}" src="${webview.asWebviewUri(vscode.Uri.joinPath(scripts, `${name}.js`))}"></script>
</body>
</html>`;
}
