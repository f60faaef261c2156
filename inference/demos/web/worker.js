// Runs the network beside the page, so that the page stays alive. Messages: {open, id} and {run, id}; every answer has
// the id of its question and, where something went wrong, `error`.
'use strict';

let wasm = null;

const text = (address) => {
  const bytes = new Uint8Array(wasm.memory.buffer, address);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
};

/** Copies bytes into the module for the time of `use(address)`. */
function lend(bytes, use) {
  const address = wasm.ll_alloc(bytes.length);
  if (address === 0) throw new Error('memory is short');
  try {
    new Uint8Array(wasm.memory.buffer, address, bytes.length).set(bytes);
    return use(address);
  } finally {
    wasm.ll_free(address);
  }
}

async function load() {
  if (wasm) return;
  // The module asks its system for nothing; what its C library mentions is answered with "not there".
  const absent = new Proxy({}, {get: () => () => 52});
  const answer = await fetch('leadline.wasm');
  if (!answer.ok) throw new Error(`leadline.wasm: ${answer.status} ${answer.statusText}`);
  const module = await WebAssembly.compile(await answer.arrayBuffer());
  const imports = {};
  for (const {module: name} of WebAssembly.Module.imports(module)) imports[name] = absent;
  wasm = (await WebAssembly.instantiate(module, imports)).exports;
  if (wasm._initialize) wasm._initialize();
}

function open({file, largest}) {
  const status = lend(new Uint8Array(file), (address) => wasm.ll_open(address, file.byteLength, largest));
  if (status !== 0) throw new Error(text(wasm.ll_error()));
  const provenance = [];
  for (let i = 0, entry; (entry = wasm.ll_provenance(i)) !== 0; ++i) provenance.push(text(entry));
  const tested = wasm.ll_self_test();
  return {
    name: text(wasm.ll_name()), metric: wasm.ll_metric() === 1, width: wasm.ll_width(), height: wasm.ll_height(),
    crops: wasm.ll_crops() === 1, focal: wasm.ll_focal(), megabytes: wasm.ll_megabytes(), megamacs: wasm.ll_megamacs(),
    provenance, selfTest: tested === 0 ? 'passed' : tested === 6 ? 'none in the file' : 'FAILED',
  };
}

/** Depth of a picture; `ask`: with the doubt about it, and where that is (module.cpp: ll_doubt). */
function run({rgba, width, height, video, ask}) {
  const count = wasm.ll_width() * wasm.ll_height();
  const to = wasm.ll_alloc(16 * count); // depth, apart, and room for two more
  if (to === 0) throw new Error('memory is short');
  try {
    return lend(new Uint8Array(rgba), (from) => {
      const start = performance.now();
      const status = wasm.ll_run(from, width, height, video ? 1 : 0, to);
      const milliseconds = performance.now() - start;
      if (status !== 0) throw new Error(text(wasm.ll_error()));
      const doubt = ask ? wasm.ll_doubt(from, width, height, to, to + 4 * count, to + 8 * count) : null;
      if (doubt !== null && doubt < 0) throw new Error(text(wasm.ll_error()));
      const copy = (address) => new Float32Array(wasm.memory.buffer, address, count).slice();
      return {depth: copy(to), apart: ask ? copy(to + 4 * count) : null, doubt, milliseconds};
    });
  } finally {
    wasm.ll_free(to);
  }
}

onmessage = async ({data}) => {
  try {
    await load();
    const result = data.open ? open(data.open) : run(data.run);
    postMessage({id: data.id, result}, result.depth ? [result.depth.buffer] : []);
  } catch (error) {
    postMessage({id: data.id, error: error.message});
  }
};
