/* The plugin: asks the server how the workspace is, shows it in the status bar, and tells news as notifications. */
import { Home, Kills, Notices } from './news.js';
import { en, zh } from './messages.js';

const POLL_MS = 15000;
const SLOWEST_POLL_MS = 300000;
const TOAST_CHARACTERS = 140; // Lab cuts off what is longer
const INFO_TOAST_MS = 10000;
// The home's size is measured when it is first asked for: ask again soon, a few times.
const EARLY_POLLS = 3;
const EARLY_POLL_MS = 2000;
const RANK = 40; // among the items on the right of the status bar

/* lab: Lab's shared modules, merged into one object. */
export function makePlugin(lab) {
  return {
    id: 'tf29-workspace:status',
    description: 'Tells about memory, home and the notices of the Hub',
    autoStart: true,
    optional: [lab.IStatusBar, lab.ITranslator],
    activate: (app, statusBar, translator) => {
      const chinese = [translator?.languageCode, navigator.language].some(tag => /^zh/i.test(tag ?? ''));
      const words = chinese ? zh : en;
      const settings = lab.ServerConnection.makeSettings();
      const telling = { tell: teller(lab, words), dismiss: id => lab.Notification.dismiss(id), words };
      const notices = new Notices(telling, stored(localStorage, settings.baseUrl), chinese ? 'zh' : 'en');
      const home = new Home(telling, stored(sessionStorage, settings.baseUrl));
      const kills = new Kills(telling, stored(localStorage, settings.baseUrl), () => poll.refresh());
      const bar = new StatusItems(lab, statusBar, words);

      let early = EARLY_POLLS;
      const poll = new lab.Poll({
        name: 'tf29-workspace:status',
        auto: false,
        frequency: { interval: POLL_MS, backoff: true, max: SLOWEST_POLL_MS },
        standby: 'when-hidden',
        factory: async () => {
          const status = await fetchStatus(lab, settings);
          bar.update(status);
          home.update(status);
          kills.update(status, notices.update(status));
          if (status.home.used_bytes === null && early-- > 0) {
            setTimeout(() => poll.refresh(), EARLY_POLL_MS);
          }
        }
      });
      // Not before Lab stands: a toast that comes earlier is lost.
      void app.restored.then(() => poll.start());
      document.addEventListener('visibilitychange', () => document.hidden || poll.refresh());
    }
  };
}

async function fetchStatus(lab, settings) {
  const url = lab.URLExt.join(settings.baseUrl, 'tf29/status');
  const response = await lab.ServerConnection.makeRequest(url, {}, settings);
  if (!response.ok) {
    throw new lab.ServerConnection.ResponseError(response);
  }
  return response.json();
}

/* A function that shows `{short, details}` and returns the notification's id. What a toast would cut off is a click away. */
function teller(lab, words) {
  return ({ short, details }, level) => {
    const options = { autoClose: level === 'info' ? INFO_TOAST_MS : false };
    if (details || short.length > TOAST_CHARACTERS) {
      const text = details ? `${short}\n\n${details}` : short;
      options.actions = [{ label: words.more, callback: () => void showText(lab, words.title, text) }];
    }
    return lab.Notification.emit(short, level, options);
  };
}

function showText(lab, title, text) {
  const body = new lab.Widget();
  body.node.textContent = text;
  Object.assign(body.node.style, { whiteSpace: 'pre-wrap', maxWidth: '40em', userSelect: 'text' });
  return lab.showDialog({ title, body, buttons: [lab.Dialog.okButton()] });
}

/* What this browser remembers about this server; a browser that forbids it forgets with the page. */
function stored(storage, baseUrl) {
  const page = {};
  const key = name => `tf29-workspace:${baseUrl}:${name}`;
  return {
    get: name => {
      try {
        return JSON.parse(storage.getItem(key(name))) ?? page[name];
      } catch {
        return page[name];
      }
    },
    set: (name, value) => {
      page[name] = value;
      try {
        storage.setItem(key(name), JSON.stringify(value));
      } catch {
        // full or forbidden: the page's own copy serves until it is closed
      }
    }
  };
}

class StatusItems {
  constructor(lab, statusBar, words) {
    this.words = words;
    [this.home, this.memory] = ['home', 'memory'].map((name, index) => {
      const item = new lab.Widget({ node: document.createElement('span') });
      item.addClass('jp-StatusBar-TextItem');
      item.id = `tf29-workspace-${name}`;
      item.hide();
      statusBar?.registerStatusItem(`tf29-workspace:${name}`, { item, align: 'right', rank: RANK + index });
      return item;
    });
  }

  update({ memory, home, home_full: full }) {
    const { words } = this;
    if (memory.used_bytes !== null) {
      show(this.memory, words.memory(memory.used_bytes, memory.limit_bytes), words.memoryHint);
    }
    if (home.free_bytes !== null) {
      const used = home.used_bytes;
      const text = full ? words.homeFull : used === null ? '' : words.home(used);
      show(this.home, text, words.homeHint(used, home.free_bytes, home.total_bytes));
    }
  }
}

function show(item, text, hint) {
  item.node.textContent = text;
  item.node.title = hint;
  item.setHidden(!text);
}
