// Moves the two pictures of "Why does it work?" and shows short forms of words. The pictures are
// drawn without it as well (book/interactive.py); it loads nothing.
(() => {
  const SIDE = 320, REACH = 2, STEP = 0.01, STEPS = 2000;
  const x = w0 => SIDE / 2 * (1 + w0 / REACH);
  const y = w => SIDE / 2 * (1 - w / REACH);
  const plain = (value, digits) => value.toFixed(digits).replace("-", "\u2212");

  // Feedback alignment on the 1-1-1 network, T = 1 and x = 1: Runge-Kutta steps of the flow.
  function path(w0, w, B) {
    const way = [[w0, w]];
    const flow = ([a, b]) => [B * (1 - a * b), (1 - a * b) * a];
    const on = ([a, b], step, [p, q]) => [a + step * p, b + step * q];
    for (let k = 0; k < STEPS; k++) {
      const now = way[way.length - 1];
      const a = flow(now), b = flow(on(now, STEP / 2, a));
      const c = flow(on(now, STEP / 2, b)), d = flow(on(now, STEP, c));
      const mean = [0, 1].map(i => (a[i] + 2 * b[i] + 2 * c[i] + d[i]) / 6);
      way.push(on(now, STEP, mean));
      if (Math.max(...way[way.length - 1].map(Math.abs)) > 2 * REACH) break;
    }
    return way;
  }

  function plane(box) {
    const svg = box.querySelector("svg"), start = box.querySelector(".start");
    const input = name => box.querySelector(`[name=${name}]`);
    function draw() {
      const [w0, w, B] = ["w0", "w", "B"].map(name => Number(input(name).value));
      const way = path(w0, w, B), [a, b] = way[way.length - 1];
      box.querySelector(".way").setAttribute(
        "points", way.filter((_, k) => k % 10 === 0).map(([p, q]) => `${x(p)},${y(q)}`).join(" "));
      for (const [dot, p, q] of [[start, w0, w], [box.querySelector(".end"), a, b]]) {
        dot.setAttribute("cx", x(p));
        dot.setAttribute("cy", y(q));
      }
      box.querySelector(".told").textContent =
        `From w₀ = ${plain(w0, 2)}, w = ${plain(w, 2)}, with B = ${plain(B, 1)}: w₀² − 2Bw stays ` +
        `${plain(w0 * w0 - 2 * B * w, 2)}. It ends at w₀ = ${plain(a, 2)}, w = ${plain(b, 2)}, ` +
        `error ${plain(1 - a * b, 2)}.`;
    }
    function place(event) {
      const seen = svg.getBoundingClientRect();
      input("w0").value = ((event.clientX - seen.left) / seen.width * 2 - 1) * REACH;
      input("w").value = (1 - (event.clientY - seen.top) / seen.height * 2) * REACH;
      draw();
    }
    let held = false;
    svg.addEventListener("pointerdown", event => {
      held = true;
      svg.setPointerCapture(event.pointerId);
      place(event);
    });
    svg.addEventListener("pointermove", event => held && place(event));
    for (const name of ["pointerup", "pointercancel"])
      svg.addEventListener(name, () => { held = false; });
    start.setAttribute("tabindex", "0");
    start.addEventListener("keydown", event => {
      const moved = {ArrowLeft: ["w0", -1], ArrowRight: ["w0", 1],
                     ArrowDown: ["w", -1], ArrowUp: ["w", 1]}[event.key];
      if (!moved) return;
      event.preventDefault();
      input(moved[0]).value = Number(input(moved[0]).value) + 0.05 * moved[1];
      draw();
    });
    box.addEventListener("input", draw);
  }

  function scrubber(box) {
    const rows = JSON.parse(box.dataset.rows), arrow = box.querySelector(".fa");
    box.addEventListener("input", event => {
      const [mark, angle, helpful, error] = rows[Number(event.target.value)];
      arrow.setAttribute("transform", `rotate(${-angle} 160 150)`);
      box.querySelector(".told").textContent =
        `After ${mark} examples: ${plain(angle, 0)} degrees between the signals, ` +
        `${plain(helpful, 0)} % of the signals help, error 10^${plain(error, 1)}.`;
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const box of document.querySelectorAll(".interactive")) {
      ({plane, scrubber})[box.dataset.kind](box);
      box.classList.add("alive");
      box.querySelector(".controls").hidden = false;
    }
  });
})();
