/* The door through which JupyterLab loads this extension.
 *
 * Lab's bundler would generate it; written by hand it needs no Node and no build. Lab's side of the contract is in its
 * bootstrap.js: it runs this script, calls init() with the modules that it shares, then get('./extension'), and expects
 * a function that returns the module.
 */
(() => {
  const here = document.currentScript.src;
  const byVersion = new Intl.Collator('en', { numeric: true }).compare;
  let shared;

  /* One of Lab's own modules; of several versions the highest, as the bundler's rule for singletons is. */
  async function labModule(name) {
    const versions = Object.keys(shared[name] ?? {}).sort(byVersion);
    if (versions.length === 0) {
      throw new Error(`tf29-workspace: this JupyterLab does not share ${name}`);
    }
    return (await shared[name][versions.at(-1)].get())();
  }

  async function extension() {
    const names = [
      '@jupyterlab/apputils', '@jupyterlab/coreutils', '@jupyterlab/services', '@jupyterlab/statusbar',
      '@jupyterlab/translation', '@lumino/polling', '@lumino/widgets'
    ];
    const [code, ...modules] = await Promise.all([import(new URL('plugin.js', here)), ...names.map(labModule)]);
    const plugin = code.makePlugin(Object.assign({}, ...modules));
    return { __esModule: true, default: plugin };
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB['tf29-workspace'] = {
    init: scope => {
      shared = scope;
    },
    get: async name => {
      if (name !== './extension') {
        throw new Error(`tf29-workspace has no module ${name}`);
      }
      const module = await extension();
      return () => module;
    }
  };
})();
