"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const stage = byId("stage"), slider = byId("split"), divider = byId("divider");
  const sides = { left: byId("left"), right: byId("right") };
  const [width, height] = data.size;
  const LEAST = 1 / 64, MOST = 64;
  // What is seen: results by number, the divider's place in 0..1, screen pixels per image pixel (0: all of it),
  // and the image's point in the middle.
  const view = { left: 0, right: Math.min(1, data.images.length - 1), split: 0.5, zoom: 0, x: width / 2, y: height / 2 };

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const fitting = () => Math.min(stage.clientWidth / width, stage.clientHeight / height);
  const zoom = () => view.zoom || fitting();

  function draw() {
    const z = zoom(), w = stage.clientWidth, h = stage.clientHeight;
    // No more than half of the stage is left empty.
    view.x = view.zoom ? clamp(view.x, 0, width) : width / 2;
    view.y = view.zoom ? clamp(view.y, 0, height) : height / 2;
    for (const image of Object.values(sides)) {
      image.style.transform = `translate(${w / 2 - view.x * z}px, ${h / 2 - view.y * z}px) scale(${z})`;
      image.classList.toggle("large", z > 1);
    }
    const share = 100 * view.split;
    byId("leftSide").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    byId("rightSide").style.clipPath = `inset(0 0 0 ${share}%)`;
    divider.style.left = `${share}%`;
    slider.value = Math.round(1000 * view.split);
    slider.setAttribute("aria-valuetext", `${Math.round(share)} percent`);
    byId("zoom").textContent = `${(100 * z).toFixed(z < 1 ? 1 : 0)}%`;
  }

  function show(side, number) {
    const count = data.images.length;
    view[side] = ((number % count) + count) % count;
    const image = data.images[view[side]];
    sides[side].src = image.src;
    sides[side].alt = image.name;
    byId(`${side}Name`).value = view[side];
    const figure = image.psnr ? ` \u00b7 ${image.psnr} dB` : "";
    byId(`${side}Tag`).textContent = image.name + figure;
  }

  function swap() {
    const { left, right } = view;
    show("left", right);
    show("right", left);
  }

  function setSplit(value) {
    view.split = clamp(value, 0, 1);
    draw();
  }

  // The image's point under a place of the stage stays there.
  function zoomTo(value, px = stage.clientWidth / 2, py = stage.clientHeight / 2) {
    const before = zoom(), after = clamp(value, Math.min(LEAST, fitting()), MOST);
    const dx = px - stage.clientWidth / 2, dy = py - stage.clientHeight / 2;
    view.x += dx / before - dx / after;
    view.y += dy / before - dy / after;
    view.zoom = after;
    draw();
  }

  function fit() {
    view.zoom = 0;
    draw();
  }

  function pan(dx, dy) {
    const z = zoom();
    view.zoom = z;
    view.x -= dx / z;
    view.y -= dy / z;
    draw();
  }

  // -- pointers: one drags the divider or the picture, two pinch ---------------------------

  const pointers = new Map();
  let dragging = "";

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left - stage.clientLeft, y: event.clientY - box.top - stage.clientTop };
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { distance: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const at = place(event);
    pointers.set(event.pointerId, at);
    // A pointer that a script made cannot be captured.
    try { stage.setPointerCapture(event.pointerId); } catch { /* it goes without */ }
    if (pointers.size === 1) dragging = event.target === divider ? "divider" : "picture";
    else dragging = "pinch";
    stage.classList.toggle("moving", dragging === "picture");
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const at = place(event);
    if (dragging === "pinch" && pointers.size === 2) {
      const old = spread();
      pointers.set(event.pointerId, at);
      const now = spread();
      if (old.distance > 0) zoomTo(zoom() * now.distance / old.distance, now.x, now.y);
      pan(now.x - old.x, now.y - old.y);
      return;
    }
    pointers.set(event.pointerId, at);
    if (dragging === "divider") setSplit(at.x / stage.clientWidth);
    else if (dragging === "picture") pan(at.x - before.x, at.y - before.y);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      dragging = pointers.size ? "picture" : "";
      stage.classList.toggle("moving", dragging === "picture");
    });
  }
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const at = place(event), lines = event.deltaMode ? 16 : 1;
    zoomTo(zoom() * Math.exp(-event.deltaY * lines / 400), at.x, at.y);
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    const at = place(event);
    if (event.target === divider) setSplit(0.5);
    else if (view.zoom) fit();
    else zoomTo(Math.max(1, 2 * zoom()), at.x, at.y);
  });

  // -- keys and controls ------------------------------------------------------------------

  const step = 40;
  const keys = {
    ArrowLeft: (shift) => (shift ? pan(step, 0) : setSplit(view.split - 0.01)),
    ArrowRight: (shift) => (shift ? pan(-step, 0) : setSplit(view.split + 0.01)),
    ArrowUp: (shift) => shift && pan(0, step),
    ArrowDown: (shift) => shift && pan(0, -step),
    "+": () => zoomTo(zoom() * 1.25), "=": () => zoomTo(zoom() * 1.25), "-": () => zoomTo(zoom() / 1.25),
    0: fit, 1: () => zoomTo(1), x: swap, X: swap,
    "[": () => show("left", view.left + 1), "]": () => show("right", view.right + 1),
  };
  document.addEventListener("keydown", (event) => {
    const isOwn = event.target.tagName === "SELECT" && !["+", "-"].includes(event.key);
    const isPaged = /^Arrow(Up|Down)$/.test(event.key) && !event.shiftKey;
    if (!keys[event.key] || isOwn || isPaged || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key](event.shiftKey);
  });
  for (const side of ["left", "right"]) {
    const names = byId(`${side}Name`);
    data.images.forEach((image, number) => names.add(new Option(image.name, number)));
    names.addEventListener("change", () => show(side, Number(names.value)));
  }
  slider.addEventListener("input", () => setSplit(slider.value / 1000));
  byId("swap").addEventListener("click", swap);
  byId("in").addEventListener("click", () => zoomTo(zoom() * 1.25));
  byId("out").addEventListener("click", () => zoomTo(zoom() / 1.25));
  byId("one").addEventListener("click", () => zoomTo(1));
  byId("fit").addEventListener("click", fit);
  addEventListener("resize", draw);

  // #left=0&right=2&split=0.3&zoom=4&x=100&y=80 opens a view.
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(view)) {
    const value = Number(asked.get(name));
    if (asked.has(name) && Number.isFinite(value)) view[name] = value;
  }
  view.split = clamp(view.split, 0, 1);
  view.zoom = view.zoom > 0 ? clamp(view.zoom, LEAST, MOST) : 0;
  for (const image of Object.values(sides)) Object.assign(image, { width, height });
  stage.style.aspectRatio = `${width} / ${height}`;
  show("left", Math.trunc(view.left));
  show("right", Math.trunc(view.right));
  draw();
})();
