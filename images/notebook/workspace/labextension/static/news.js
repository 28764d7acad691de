/* What is new since the person was last told: the Hub's notices, kills for memory, a home that fills up.
 *
 * Each class gets `telling` ({tell(message, level) -> id, dismiss(id), words}) and `memory` ({get(name), set(name,
 * value)}), which outlives the page, and an update(status) for each answer of the server.
 */

// The Hub sees a kill too and knows more about it; our own words are for when its notice does not come.
const HUB_PATIENCE_MS = 10000;
const HUB_OOM_PREFIX = 'oom-';
// Who opens the workspace in another browser is not told last week's news.
const OLDEST_NOTICE_MS = 24 * 3600 * 1000;
const REMEMBERED_NOTICES = 200;
const NEARLY_FULL = 0.9;
const FINE_AGAIN = 0.88; // lower, or a home that hovers at the mark would be told over and over

export class Notices {
  constructor(telling, memory, language) {
    Object.assign(this, { telling, memory, language });
  }

  /* Tells each notice once; true when one was about a kill for memory. */
  update({ notices, time }) {
    const seen = new Set(this.memory.get('notices'));
    const news = notices.filter(notice => !seen.has(notice.id));
    if (news.length === 0) {
      return false;
    }
    const told = [...seen, ...news.map(notice => notice.id)].slice(-REMEMBERED_NOTICES);
    this.memory.set('notices', told);
    const recent = news.filter(notice => !(Date.parse(time) - Date.parse(notice.time) > OLDEST_NOTICE_MS));
    for (const { text, level } of recent) {
      this.telling.tell({ short: text[this.language] ?? text.en ?? text.zh }, level);
    }
    return recent.some(notice => notice.id.startsWith(HUB_OOM_PREFIX));
  }
}

export class Kills {
  constructor(telling, memory, askAgain) {
    Object.assign(this, { telling, memory, askAgain, since: null, toast: null });
  }

  update({ oom_kills: count, started, memory: { limit_bytes: limit } }, hubTold) {
    if (count === null) {
      return;
    }
    const known = this.memory.get('kills');
    const isNew = count > (known?.started === started ? known.count : 0);
    if (hubTold) {
      this.remember(started, count);
      this.telling.dismiss(this.toast ?? 'none'); // the Hub's, late, in place of ours
    } else if (isNew && this.since === null) {
      this.since = Date.now();
      setTimeout(this.askAgain, HUB_PATIENCE_MS);
    } else if (isNew && Date.now() - this.since >= HUB_PATIENCE_MS) {
      this.remember(started, count);
      this.toast = this.telling.tell(this.telling.words.oom(limit), 'error');
    } else if (!isNew) {
      this.since = null; // another page of this browser has told it meanwhile
    }
  }

  remember(started, count) {
    this.since = null;
    this.memory.set('kills', { started, count });
  }
}

export class Home {
  constructor(telling, memory) {
    Object.assign(this, { telling, memory, toast: null });
  }

  update({ home: { free_bytes: free, total_bytes: total }, home_full: full }) {
    if (full === null) {
      return;
    }
    const before = this.memory.get('home') ?? 'fine';
    const share = total > 0 ? 1 - free / total : 1;
    const nearly = share >= (before === 'fine' ? NEARLY_FULL : FINE_AGAIN);
    const now = full ? 'full' : nearly ? 'nearly' : 'fine';
    if (now === before) {
      return;
    }
    this.memory.set('home', now);
    this.telling.dismiss(this.toast ?? 'none');
    const { tell, words } = this.telling;
    if (now === 'full') {
      this.toast = tell(words.full(), 'error');
    } else if (now === 'nearly' && before === 'fine') {
      this.toast = tell(words.nearlyFull(free, total), 'warning');
    }
  }
}
