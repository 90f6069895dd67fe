({
  // What sticks out of the explorer, and texts of a chart that lie on each other.
  cut: (root) => {
    const wide = root.getBoundingClientRect(), found = [];
    for (const each of root.querySelectorAll("label, button, figure, p, svg text")) {
      const box = each.getBoundingClientRect();
      if (box.width && (box.right > wide.right + 1 || box.left < wide.left - 1)) found.push(each.textContent.slice(0, 60));
    }
    for (const svg of root.querySelectorAll("figure svg")) {
      const texts = [...svg.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
      texts.forEach(([a, x], i) => texts.slice(i + 1).forEach(([b, y]) => {
        if (x.left < y.right - 2 && y.left < x.right - 2 && x.top < y.bottom - 3 && y.top < x.bottom - 3) found.push(`${a} / ${b}`);
      }));
    }
    return found;
  },
  // The least contrast of any text to the ground of the notebook.
  contrast: (root) => {
    const parts = (c) => c.match(/[0-9.]+/g).map(Number);
    const light = (c) => { const [r, g, b] = parts(c).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    let holder = root;
    while (holder.parentElement && (parts(getComputedStyle(holder).backgroundColor)[3] ?? 1) === 0) holder = holder.parentElement;
    const ground = light(getComputedStyle(holder).backgroundColor);
    const seen = [...root.querySelectorAll("h3, label, p, td, th, figcaption, svg text, legend")].filter((e) => e.getClientRects().length)
      .map((e) => light(getComputedStyle(e)[e.closest("svg") ? "fill" : "color"]));
    return Math.min(...seen.map((c) => (Math.max(c, ground) + 0.05) / (Math.min(c, ground) + 0.05)));
  },
})
