/* How full the home is, in JupyterLab's status bar, and a message that says what to delete.
 *
 * A container of webpack's module federation, written by hand so that nothing needs to be built: JupyterLab hands its
 * own modules to init() and asks get() for the plugin. Whatever fails here is a warning in the console, no more.
 */
(() => {
  "use strict";

  const NAME = "coursehub-home";
  const EVERY_MS = 60_000;
  let scope = {};

  /* A module of JupyterLab's own: of several versions the one that it takes itself, loaded already or else the newest. */
  async function shared(name) {
    const versions = scope[name] ?? {};
    const newest = Object.keys(versions).sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).reverse();
    const version = newest.find((one) => versions[one].loaded) ?? newest[0];
    if (version === undefined) throw new Error(`this JupyterLab shares no ${name}`);
    return (await versions[version].get())();
  }

  /* Bytes in a unit, such as 1.2 for 1288490188 in GiB. */
  const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const unitOf = (bytes) => Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  const amount = (bytes, unit) => (bytes / 1024 ** unit).toFixed(unit ? 1 : 0);
  const size = (bytes) => `${amount(bytes, unitOf(bytes))} ${UNITS[unitOf(bytes)]}`;

  const what = (home) => (home.own ? "home" : "disk");
  const share = (home) => `${amount(home.used, unitOf(home.budget))} of ${size(home.budget)}`;
  const level = (home) => (home.full ? "error" : home.nearlyFull ? "warning" : "default");
  const entry = ({ path, bytes }) => `${path} (${size(bytes)})`;

  /* What is in none of the files: deleting them frees as good as nothing, and the file system may be late to count. */
  const mostlyHeld = (home) => home.held > home.used / 2;
  const worthTelling = (home) => home.held > home.used / 20;

  /* JupyterLab shows 140 characters of it. */
  function message(home) {
    if (home.full && mostlyHeld(home)) {
      return (
        `The ${what(home)} is full: ${size(home.held)} are in none of your files, perhaps in snapshots, or deleted just now.` +
        " If it stays so, ask your lecturer."
      );
    }
    const state = home.full
      ? `The ${what(home)} is full: nothing is saved until you delete files.`
      : `The ${what(home)} is nearly full (${share(home)}): delete files.`;
    return home.largest.length ? `${state}\nThe largest: ${home.largest.map(entry).join(", ")}` : state;
  }

  /* The largest files in full length. Names are a student's own: text, never HTML. */
  function details(home, { showDialog, Dialog }, { Widget }) {
    const node = document.createElement("div");
    const add = (tag, text, parent) => {
      const child = document.createElement(tag);
      child.textContent = text;
      return parent.appendChild(child);
    };
    add("p", `The ${what(home)} holds ${share(home)}${home.own ? "" : ", your files and others'"}.`, node);
    if (worthTelling(home)) {
      add(
        "p",
        `${size(home.held)} of it are in none of your files. That may be what you deleted in the last half minute, what` +
          " snapshots of the course hold, which deleting frees only once they go, or room that the whole course lacks." +
          " If it stays so, ask your lecturer.",
        node,
      );
    }
    const list = add("ul", "", node);
    for (const one of home.largest) add("li", entry(one), list);
    add("p", "Delete what you no longer need, in the file browser or in a terminal.", node);
    add("p", "Where even that is refused, snapshots of the course hold all of it: ask your lecturer.", node);
    add("p", "Names that begin with a dot are shown in a terminal alone.", node);
    return showDialog({
      title: home.own ? "The largest in your home" : "The largest of your files",
      body: new Widget({ node }),
      buttons: [Dialog.okButton()],
    });
  }

  /* Keeps one message standing as long as its reason: another when that changes, none when there is room. */
  function messenger(apputils, widgets) {
    const { Notification } = apputils;
    let latest;
    let standing = { level: "default" };
    const show = {
      label: "What is large?",
      caption: "Show the largest files",
      callback: (event) => {
        event.preventDefault(); // the message stays
        void details(latest, apputils, widgets);
      },
    };
    return (home) => {
      latest = home;
      const now = level(home);
      const text = message(home);
      if (now !== standing.level) {
        if (standing.id) Notification.dismiss(standing.id);
        const options = { autoClose: false, actions: [show] };
        standing = { level: now, text, id: now === "default" ? undefined : Notification[now](text, options) };
      } else if (standing.id && text !== standing.text) {
        standing.text = text;
        Notification.update({ id: standing.id, message: text }); // does nothing once the student has closed it
      }
    };
  }

  /* The item of the status bar, empty until the first answer. */
  function statusItem(statusBar, { Widget }) {
    const colours = { default: "", warning: "var(--jp-warn-color1)", error: "var(--jp-error-color1)" };
    const item = new Widget();
    item.addClass("jp-StatusBar-TextItem");
    statusBar?.registerStatusItem(`${NAME}:item`, { item, align: "right", rank: 10 });
    return (home) => {
      item.node.textContent = `${what(home)} ${share(home)}`;
      item.node.title = [`How full the ${what(home)} is`, ...home.largest.map(entry)].join("\n");
      item.node.style.color = colours[level(home)];
    };
  }

  async function plugin() {
    const names = ["apputils", "services", "statusbar"].map((name) => `@jupyterlab/${name}`);
    const [apputils, { ServerConnection }, { IStatusBar }, widgets, { Poll }] = await Promise.all(
      [...names, "@lumino/widgets", "@lumino/polling"].map(shared),
    );
    return {
      id: `${NAME}:plugin`,
      description: "How full the home is, and what to delete when nothing can be saved.",
      autoStart: true,
      optional: [IStatusBar],
      activate: ({ serviceManager }, statusBar) => {
        const settings = serviceManager.serverSettings;
        const shown = [statusItem(statusBar, widgets), messenger(apputils, widgets)];
        const look = async () => {
          const answer = await ServerConnection.makeRequest(`${settings.baseUrl}coursehub/home`, {}, settings);
          if (!answer.ok) throw new Error(`${NAME}: the server answered ${answer.status}`);
          const home = await answer.json();
          for (const show of shown) show(home);
        };
        const frequency = { interval: EVERY_MS, backoff: true, max: 10 * EVERY_MS };
        const poll = new Poll({ name: NAME, factory: look, frequency, standby: "when-hidden" });
        // What was deleted or saved here shows at once.
        serviceManager.contents.fileChanged.connect(() => void poll.refresh());
      },
    };
  }

  const quiet = async (wanted, otherwise) => {
    try {
      return await wanted();
    } catch (error) {
      console.warn(`${NAME}:`, error);
      return otherwise;
    }
  };

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB[NAME] = {
    init: async (given) => {
      scope = given;
    },
    get: async () => {
      const found = await quiet(async () => [await plugin()], []);
      return () => ({ __esModule: true, default: found });
    },
  };
})();
