// Runs remoteEntry.js in a JupyterLab of nothing but what it uses. argv: the file; stdin: what happens; stdout: what showed.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const { homes, without = [], versions = {}, statusBar = true } = JSON.parse(readFileSync(0, "utf8"));
const showed = { items: [], colours: [], titles: [], notifications: [], dialogs: [], warnings: [], requests: [], errors: [] };
const polls = [];
const changed = [];
let now;

const element = () => ({
  style: {},
  children: [],
  appendChild(child) {
    this.children.push(child);
    return child;
  },
});
const text = (node) => [node.textContent, ...node.children.map(text)].filter(Boolean).join("\n");

class Widget {
  constructor({ node } = {}) {
    this.node = node ?? element();
  }
  addClass() {}
}
class Poll {
  constructor(options) {
    this.options = options;
    polls.push(this);
  }
  refresh() {
    return this.options.factory().catch(() => {}); // the real one waits longer then
  }
}
const emit = (type) => (message, options) => {
  showed.notifications.push([type, message]);
  options.actions[0].callback({ preventDefault() {} });
  return `${type}-${showed.notifications.length}`;
};
const modules = {
  "@jupyterlab/apputils": {
    Notification: {
      error: emit("error"),
      warning: emit("warning"),
      update: ({ id, message }) => showed.notifications.push(["update", id, message]),
      dismiss: (id) => showed.notifications.push(["dismiss", id]),
    },
    Dialog: { okButton: () => ({}) },
    showDialog: async ({ title, body }) => showed.dialogs.push(`${title}\n${text(body.node)}`),
  },
  "@jupyterlab/services": {
    ServerConnection: {
      makeRequest: async (url) => {
        showed.requests.push(url);
        return { ok: now !== null, status: now === null ? 500 : 200, json: async () => now };
      },
    },
  },
  "@jupyterlab/statusbar": { IStatusBar: "IStatusBar" },
  "@lumino/widgets": { Widget },
  "@lumino/polling": { Poll },
};
const wrong = async () => {
  throw new Error("this version must not be taken");
};
const scope = {};
for (const [name, module] of Object.entries(modules)) {
  if (without.includes(name)) continue;
  const { right, loaded, others = [] } = versions[name] ?? { right: "4.0.0" };
  scope[name] = { [right]: { get: async () => () => module, loaded } };
  for (const version of others) scope[name][version] = { get: wrong };
}

const window = {};
const console = { warn: (...words) => showed.warnings.push(words.join(" ")) };
const document = { createElement: element };
vm.runInNewContext(readFileSync(process.argv[2], "utf8"), { window, console, document });
const container = window._JUPYTERLAB["coursehub-home"];
await container.init(scope);
const exported = (await container.get("./extension"))();
// As JupyterLab reads it: without the mark, it takes the object itself for a plugin, and does not start.
const plugins = Object.prototype.hasOwnProperty.call(exported, "__esModule") ? exported.default : exported;
showed.plugins = plugins.map(({ id, autoStart, optional }) => ({ id, autoStart, optional }));
const items = [];
const bar = { registerStatusItem: (id, { item }) => items.push(item) };
const contents = { fileChanged: { connect: (slot) => changed.push(slot) } };
for (const { activate } of plugins) {
  activate({ serviceManager: { serverSettings: { baseUrl: "/user/ada/" }, contents } }, statusBar ? bar : null);
}
showed.every = polls.map(({ options }) => options.frequency.interval);
if (polls.length) {
  for (now of homes) {
    await polls[0].options.factory().catch((error) => showed.errors.push(error.message));
    for (const { node } of items) {
      showed.items.push(node.textContent);
      showed.colours.push(node.style.color);
      showed.titles.push(node.title);
    }
  }
  showed.changes = changed.length;
  const before = showed.requests.length;
  for (const slot of changed) slot();
  showed.atOnce = showed.requests.length - before;
}
process.stdout.write(JSON.stringify(showed));
