import './service/without-eval.js';
import { render } from 'preact';
import { Store } from './service/store.js';
import { App, titleOf } from './view/app.js';

const page = document.getElementById('page');
if (page === null) throw new Error('the page has no element to draw in');
// What stood there until this was loaded.
page.replaceChildren();
const store = new Store();
const draw = (): void => {
  render(<App store={store} model={store.model} />, page);
  document.title = titleOf(store.model);
};
store.subscribe(draw);
draw();
void store.start();
