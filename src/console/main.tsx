/** The console: one page in the browser, over the node's HTTP API. */
import { render } from 'preact';
import './styles/base.css';
import './styles/layout.css';
import './styles/parts.css';
import './styles/pages.css';
import { App } from './shell/app.tsx';
import { resume } from './state/session.ts';

const target = document.querySelector('#app');
if (target !== null) render(<App />, target);
void resume();
