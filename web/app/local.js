/* Small settings that are needed before anything else. A browser may refuse them: then they last as long as the page. */

const memory = new Map();

export function getLocal(key) {
  try {
    return localStorage.getItem(key) ?? memory.get(key) ?? null;
  } catch {
    return memory.get(key) ?? null;
  }
}

export function setLocal(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
    memory.delete(key);
  } catch {
    memory.set(key, value);
  }
}

export function clearLocal() {
  memory.clear();
  try {
    localStorage.clear();
    sessionStorage.removeItem('photos_key');
  } catch {
    /* nothing was kept */
  }
}

/* For this tab alone: everything was cleared, so nothing is fetched unasked. */
export function hold(on) {
  try {
    if (on) sessionStorage.setItem('hold', '1');
    else sessionStorage.removeItem('hold');
  } catch {
    /* not kept: a reload begins anew */
  }
}

export function isHeld() {
  try {
    return sessionStorage.getItem('hold') === '1';
  } catch {
    return false;
  }
}
