// The page: pictures in, depth beside them. The network is worker.js's; nothing is sent anywhere.
'use strict';

const $ = (id) => document.getElementById(id);
const largestSide = 768; // pictures are brought to this before the network sees them: it wants less still

// ---- what is shown -------------------------------------------------------------------------------------------------

const view = {
  source: document.createElement('canvas'), // the picture, at most largestSide
  depth: null, width: 0, height: 0,         // [height, width]: metres, or the model's own unit
  near: 0, far: 1,
  at: {x: 0.5, y: 0.5},                     // the measuring cross, in parts of the picture
  model: null,
  doubt: null, apart: null,                 // whether to trust the depth, and where not (doubt.hpp); null: not asked
};
const greatestDoubt = 0.6; // beyond it the picture is unlike the training pictures, and its metres are no metres
const metric = () => view.model.metric && !(view.doubt > greatestDoubt);

// As the pictures of the command-line programs: near is dark red, far dark violet; brightness changes along with hue.
const stops = [[128, 8, 12], [212, 44, 20], [246, 124, 28], [250, 204, 56], [176, 226, 84], [60, 196, 132], [32, 140, 190], [44, 76, 178], [48, 26, 100]];
function colour(t) {
  const position = Math.min(Math.max(t, 0), 1) * (stops.length - 1), i = Math.min(Math.floor(position), stops.length - 2);
  return stops[i].map((a, c) => a + (position - i) * (stops[i + 1][c] - a));
}

/** The part of the picture that the network saw: all of it, or the middle of its shape. */
function seen() {
  const {width, height} = view.source;
  if (!view.model || !view.model.crops) return {x: 0, y: 0, width, height};
  const scale = Math.min(width / view.width, height / view.height);
  const w = view.width * scale, h = view.height * scale;
  return {x: (width - w) / 2, y: (height - h) / 2, width: w, height: h};
}

function depthAt(x, y) { // in parts of the picture; NaN outside what the network saw
  if (!view.depth) return NaN;
  const part = seen();
  const u = Math.floor((x * view.source.width - part.x) / part.width * view.width);
  const v = Math.floor((y * view.source.height - part.y) / part.height * view.height);
  return u < 0 || v < 0 || u >= view.width || v >= view.height ? NaN : view.depth[v * view.width + u];
}

const inUnit = (value) => metric() ? `${value.toFixed(2)} m`
  : `${(100 * (value - view.near) / (view.far - view.near)).toFixed(0)} % of the way from near to far`;

function findRange() {
  const valid = Array.from(view.depth).filter((d) => d > 0 && Number.isFinite(d)).sort((a, b) => a - b);
  const at = (p) => valid.length ? valid[Math.floor(p * (valid.length - 1))] : 0;
  view.near = Math.floor(at(0.01) * 10) / 10;
  view.far = Math.max(Math.ceil(at(0.99) * 10) / 10, view.near + 0.1);
}

function fit(canvas) {
  if (canvas.width !== view.source.width || canvas.height !== view.source.height) {
    canvas.width = view.source.width;
    canvas.height = view.source.height;
  }
  return canvas.getContext('2d');
}

function cross(context) {
  const x = view.at.x * context.canvas.width, y = view.at.y * context.canvas.height, r = context.canvas.width / 40;
  for (const [style, width] of [['#000', 4], ['#fff', 2]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x - r, y), context.lineTo(x + r, y), context.moveTo(x, y - r), context.lineTo(x, y + r);
    context.stroke();
  }
}

const small = document.createElement('canvas'); // depth in colours, at the network's size

function paint() {
  const picture = fit($('picture'));
  picture.drawImage(view.source, 0, 0);
  cross(picture);
  if (!view.depth) return;
  const depth = fit($('depth'));
  depth.clearRect(0, 0, depth.canvas.width, depth.canvas.height);
  const part = seen();
  depth.drawImage(small, part.x, part.y, part.width, part.height);
  cross(depth);
  const here = depthAt(view.at.x, view.at.y);
  $('metres').textContent = Number.isFinite(here) && here > 0 ? inUnit(here) : 'nothing here';
}

function showDepth(depth) {
  view.depth = depth;
  findRange();
  const unlike = view.model.metric && !metric();
  $('unlike').hidden = !unlike;
  if (unlike) $('unlike').textContent = `This picture is unlike those that the network learned from (doubt ${view.doubt.toFixed(2)}, metres up to ${greatestDoubt}): what is nearer and what is farther is a guess, and metres aren't shown.`;
  small.width = view.width;
  small.height = view.height;
  const image = new ImageData(view.width, view.height), span = view.far - view.near, fade = $('fade').checked;
  depth.forEach((d, i) => {
    const rgb = d > 0 && Number.isFinite(d) ? colour((d - view.near) / span) : [0, 0, 0];
    const sure = fade && view.apart ? 1 - Math.min(2 * view.apart[i], 0.9) : 1; // towards grey
    image.data.set([0, 1, 2].map((c) => sure * rgb[c] + (1 - sure) * 128).concat(255), 4 * i);
  });
  small.getContext('2d').putImageData(image, 0, 0);
  $('near').textContent = metric() ? `${view.near.toFixed(1)} m` : 'near';
  $('far').textContent = metric() ? `${view.far.toFixed(1)} m` : 'far';
  paint();
  cloud.update();
}

// ---- points in space -----------------------------------------------------------------------------------------------

const cloud = (() => {
  const canvas = $('cloud');
  const gl = canvas.getContext('webgl', {antialias: true});
  if (!gl) return {update() { canvas.hidden = true; }};
  const shader = (kind, source) => {
    const s = gl.createShader(kind);
    gl.shaderSource(s, source);
    gl.compileShader(s);
    return s;
  };
  const program = gl.createProgram();
  gl.attachShader(program, shader(gl.VERTEX_SHADER, `
    attribute vec3 place; attribute vec3 paint; varying vec3 ink; uniform mat4 camera; uniform float size;
    void main() { gl_Position = camera * vec4(place, 1.0); gl_PointSize = size / gl_Position.w; ink = paint; }`));
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `
    precision mediump float; varying vec3 ink; void main() { gl_FragColor = vec4(ink, 1.0); }`));
  gl.linkProgram(program);
  gl.useProgram(program);
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  for (const [name, offset] of [['place', 0], ['paint', 12]]) {
    const at = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, 3, gl.FLOAT, false, 24, offset);
  }
  gl.enable(gl.DEPTH_TEST);
  const turn = {yaw: -0.35, pitch: 0.25, distance: 1};
  let count = 0, middle = 1;

  function draw() {
    const {yaw, pitch, distance} = turn, [c, s, d, e] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    const f = 1.4, aspect = canvas.width / canvas.height, near = 0.02 * middle, far = 20 * middle;
    // about the middle of the scene, then back by the distance; y up, z towards the viewer
    const rotation = [c, e * s, -d * s, 0, 0, d, e, 0, s, -e * c, d * c, 0]; // columns: what becomes of x, y, z
    const z = middle * distance, a = -(far + near) / (far - near), b = -2 * far * near / (far - near);
    const m = new Float32Array(16);
    for (let k = 0; k < 3; ++k) {
      const [x, y, w] = [rotation[4 * k], rotation[4 * k + 1], rotation[4 * k + 2]];
      m.set([f / aspect * x, f * y, a * w, -w], 4 * k);
    }
    m.set([0, 0, -a * z + b, z], 12);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0.07, 0.08, 0.09, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix4fv(gl.getUniformLocation(program, 'camera'), false, m);
    gl.uniform1f(gl.getUniformLocation(program, 'size'), 3.2 * middle * canvas.width / Math.max(view.width, 1));
    gl.drawArrays(gl.POINTS, 0, count);
  }

  function update() {
    const {width, height, depth} = view, part = seen(), colours = document.createElement('canvas');
    colours.width = width;
    colours.height = height;
    const context = colours.getContext('2d', {willReadFrequently: true});
    context.drawImage(view.source, part.x, part.y, part.width, part.height, 0, 0, width, height);
    const rgba = context.getImageData(0, 0, width, height).data;
    // Stretched pictures have pixels that aren't square: angles are those of the training camera, or of 60 degrees.
    const fx = view.model.focal || width / 2 / Math.tan(Math.PI / 6), fy = fx * (part.width / width) / (part.height / height);
    middle = (view.near + view.far) / 2;
    const points = [];
    for (let v = 0; v < height; ++v)
      for (let u = 0; u < width; ++u) {
        const i = v * width + u, z = depth[i];
        if (!(z > 0 && z < 1.5 * view.far)) continue;
        points.push((u - width / 2) / fx * z, -(v - height / 2) / fy * z, middle - z,
                    rgba[4 * i] / 255, rgba[4 * i + 1] / 255, rgba[4 * i + 2] / 255);
      }
    count = points.length / 6;
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(points), gl.DYNAMIC_DRAW);
    draw();
  }

  const move = (yaw, pitch, zoom) => {
    turn.yaw += yaw;
    turn.pitch = Math.min(Math.max(turn.pitch + pitch, -1.5), 1.5);
    turn.distance = Math.min(Math.max(turn.distance * zoom, 0.1), 5);
    draw();
  };
  const fingers = new Map();
  let spread = 0;
  canvas.addEventListener('pointerdown', (e) => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, e); spread = 0; });
  for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, (e) => { fingers.delete(e.pointerId); spread = 0; });
  canvas.addEventListener('pointermove', (e) => {
    const before = fingers.get(e.pointerId);
    if (!before) return;
    fingers.set(e.pointerId, e);
    if (fingers.size === 1) return move((e.clientX - before.clientX) / 150, (e.clientY - before.clientY) / 150, 1);
    const [p, q] = [...fingers.values()], now = Math.hypot(p.clientX - q.clientX, p.clientY - q.clientY);
    if (spread) move(0, 0, spread / now);
    spread = now;
  });
  canvas.addEventListener('wheel', (e) => { e.preventDefault(); move(0, 0, Math.exp(e.deltaY / 500)); }, {passive: false});
  canvas.addEventListener('keydown', (e) => {
    const step = {ArrowLeft: [-0.1, 0, 1], ArrowRight: [0.1, 0, 1], ArrowUp: [0, -0.1, 1], ArrowDown: [0, 0.1, 1],
                  '+': [0, 0, 0.9], '-': [0, 0, 1.1]}[e.key];
    if (step) e.preventDefault(), move(...step);
  });
  return {update};
})();

// ---- the network ---------------------------------------------------------------------------------------------------

const problem = (message) => { $('problem').textContent = message; $('problem').hidden = !message; };
const say = (message) => { $('status').textContent = message; };

const worker = new Worker('worker.js');
const waiting = new Map();
let questions = 0;
worker.onmessage = ({data}) => {
  const {resolve, reject} = waiting.get(data.id);
  waiting.delete(data.id);
  data.error === undefined ? resolve(data.result) : reject(new Error(data.error));
};
worker.onerror = (event) => problem(`The network's worker can't start: ${event.message || 'is worker.js there?'}`);
function ask(question, transfer = []) {
  return new Promise((resolve, reject) => {
    waiting.set(++questions, {resolve, reject});
    worker.postMessage({...question, id: questions}, transfer);
  });
}

async function openModel(name, file) {
  say(`Opening ${name}…`);
  view.depth = view.doubt = view.apart = null;
  const model = await ask({open: {file, largest: largestSide}}, [file]);
  view.model = model;
  view.width = model.width;
  view.height = model.height;
  const angle = model.focal ? `${Math.round(2 * Math.atan(model.width / 2 / model.focal) * 180 / Math.PI)}° across, as its training cameras` : 'not known';
  const facts = [['File', name], ['Network', `${model.name}, ${model.width} × ${model.height}`], ['Cost', `${model.megamacs.toFixed(0)} million multiplications, ${model.megabytes.toFixed(1)} MB of memory`],
                 ['Answer', model.metric ? 'metres' : 'relative depth, without metres'], ['Assumed view', angle], ['Self-test in this browser', model.selfTest],
                 ...model.provenance.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)])];
  $('note').textContent = notes.get(name) || 'A model of your own: whoever trained it knows how far to trust its metres.';
  $('about').replaceChildren(...facts.flatMap(([key, value]) => {
    const dt = document.createElement('dt'), dd = document.createElement('dd');
    dt.textContent = key;
    dd.textContent = value;
    return [dt, dd];
  }));
  if (model.selfTest === 'FAILED') problem('This browser computes something else than the model\'s self-test wants: don\'t trust the depth below.');
}

async function fetchBytes(file) {
  const answer = await fetch(file);
  if (!answer.ok) throw new Error(`${file}: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

/** Takes what can be drawn (a picture, a video's frame) as the picture. */
function take(drawable, width, height) {
  const scale = Math.min(1, largestSide / Math.max(width, height));
  view.source.width = Math.max(1, Math.round(width * scale));
  view.source.height = Math.max(1, Math.round(height * scale));
  view.source.getContext('2d', {willReadFrequently: true}).drawImage(drawable, 0, 0, view.source.width, view.source.height);
}

let frames = 0;

/** `video`: the next frame of one; doubt about those is asked now and then. */
async function estimate(video) {
  const {width, height} = view.source;
  const rgba = view.source.getContext('2d', {willReadFrequently: true}).getImageData(0, 0, width, height).data.buffer;
  frames = video ? frames + 1 : 0;
  const {depth, apart, doubt, milliseconds} = await ask({run: {rgba, width, height, video, ask: frames % 30 === 0}}, [rgba]);
  if (doubt !== null) view.doubt = doubt;
  view.apart = apart;
  showDepth(depth);
  document.body.dataset.median = Array.from(depth).sort((a, b) => a - b)[depth.length >> 1];
  document.body.dataset.milliseconds = milliseconds.toFixed(1);
  return milliseconds;
}

let busy = Promise.resolve();
/** One thing after the other; what goes wrong is shown, and the page goes on. */
const next = (work) => (busy = busy.then(work).catch((error) => { problem(error.message); say(''); }));

const showPicture = (drawable, width, height) => next(async () => {
  problem('');
  take(drawable, width, height);
  paint();
  say(`${(await estimate(false)).toFixed(1)} ms for this picture`);
});

async function showFile(file) {
  stopCamera();
  try {
    const picture = await createImageBitmap(file);
    showPicture(picture, picture.width, picture.height);
  } catch {
    problem(`${file.name || 'This'} is no picture that this browser can read; try a JPEG or PNG.`);
  }
}

// ---- where pictures come from --------------------------------------------------------------------------------------

$('file').onchange = $('capture').onchange = ({target}) => { if (target.files[0]) showFile(target.files[0]); target.value = ''; };
document.addEventListener('dragover', (e) => { e.preventDefault(); document.body.classList.add('drop'); });
document.addEventListener('dragleave', () => document.body.classList.remove('drop'));
document.addEventListener('drop', (e) => {
  e.preventDefault();
  document.body.classList.remove('drop');
  if (e.dataTransfer.files[0]) showFile(e.dataTransfer.files[0]);
});
document.addEventListener('paste', (e) => { if (e.clipboardData.files[0]) showFile(e.clipboardData.files[0]); });

let camera = null;
function stopCamera() {
  if (camera) camera.getTracks().forEach((track) => track.stop());
  camera = null;
  $('camera').textContent = 'Start camera';
  $('camera').setAttribute('aria-pressed', 'false');
}

$('camera').onclick = async () => {
  if (camera) return stopCamera();
  problem('');
  try {
    camera = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment', width: {ideal: 640}}});
  } catch (error) {
    return problem(error.name === 'NotAllowedError' ? 'The camera was refused; allow it in the browser\'s settings of this page.' : `No camera: ${error.message}`);
  }
  $('camera').textContent = 'Stop camera';
  $('camera').setAttribute('aria-pressed', 'true');
  const video = document.createElement('video');
  video.srcObject = camera;
  video.playsInline = true;
  video.muted = true;
  const mine = camera;
  mine.getVideoTracks()[0].onended = () => { if (camera === mine) { stopCamera(); problem('The camera was unplugged.'); } };
  await video.play();
  let first = true, before = performance.now(), rate = 0;
  const frame = () => {
    if (camera !== mine) return;
    next(async () => {
      take(video, video.videoWidth, video.videoHeight);
      const milliseconds = await estimate(!first);
      first = false;
      const now = performance.now();
      rate = rate ? 0.9 * rate + 0.1 * 1000 / (now - before) : 1000 / (now - before);
      before = now;
      say(`${milliseconds.toFixed(1)} ms a frame, ${rate.toFixed(0)} frames/s`);
    }).then(() => requestAnimationFrame(frame));
  };
  frame();
};

if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) { // plain HTTP from another machine
  $('camera').hidden = true;
  $('capture-label').hidden = false;
}

const models = new Map(), notes = new Map(); // by name: how to get its bytes, what its card says
$('model').onchange = ({target}) => next(async () => {
  problem('');
  await openModel(target.value, await models.get(target.value)());
  if (view.source.width) say(`${(await estimate(false)).toFixed(1)} ms for this picture`);
});
$('own').onchange = ({target}) => {
  const file = target.files[0];
  if (!file) return;
  models.set(file.name, () => file.arrayBuffer());
  $('model').add(new Option(file.name, file.name, true, true));
  $('model').dispatchEvent(new Event('change'));
  target.value = '';
};

$('fade').onchange = () => { if (view.depth) showDepth(view.depth); };

for (const canvas of [$('picture'), $('depth')]) {
  canvas.addEventListener('pointermove', (e) => {
    const box = canvas.getBoundingClientRect();
    view.at = {x: (e.clientX - box.left) / box.width, y: (e.clientY - box.top) / box.height};
    paint();
  });
  canvas.addEventListener('keydown', (e) => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[e.key];
    if (!step) return;
    e.preventDefault();
    const part = e.shiftKey ? 0.1 : 0.02, inside = (t) => Math.min(Math.max(t, 0), 0.999);
    view.at = {x: inside(view.at.x + part * step[0]), y: inside(view.at.y + part * step[1])};
    paint();
  });
}

// ---- start ---------------------------------------------------------------------------------------------------------

next(async () => {
  // One function that fills a vector with zeros: (func (result v128) i32.const 0 i8x16.splat)
  const simd = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11]);
  if (typeof WebAssembly !== 'object' || !WebAssembly.validate(simd))
    throw new Error('This browser has no WebAssembly SIMD; use a version from 2023 or later (Chrome 91, Firefox 89, Safari 16.4).');
  const range = document.createElement('canvas').getContext('2d'), strip = $('scale').getContext('2d');
  const image = range.createImageData(256, 10);
  for (let i = 0; i < 2560; ++i) image.data.set([...colour((i % 256) / 255), 255], 4 * i);
  strip.putImageData(image, 0, 0);
  const samples = await (await fetch('samples.json')).json();
  for (const {name, file} of samples) {
    const button = document.createElement('button'), thumbnail = new Image();
    button.type = 'button';
    thumbnail.src = file;
    thumbnail.alt = name;
    button.append(thumbnail);
    button.onclick = async () => { stopCamera(); const picture = await createImageBitmap(await (await fetch(file)).blob()); showPicture(picture, picture.width, picture.height); };
    $('samples').append(button);
  }
  for (const {name, file, note} of await (await fetch('models.json')).json()) {
    models.set(name, () => fetchBytes(file));
    notes.set(name, note);
    $('model').add(new Option(name, name));
  }
  await openModel($('model').value, await models.get($('model').value)());
  const first = await createImageBitmap(await (await fetch(samples[0].file)).blob());
  take(first, first.width, first.height);
  say(`${(await estimate(false)).toFixed(1)} ms for this picture`);
  document.body.dataset.ready = 'yes';
});
