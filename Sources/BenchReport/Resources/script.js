"use strict";
// The page is readable without this: it adds values at the pointer, a theme, and copying.
(() => {
  const tip = document.getElementById("tip");
  let active = null;

  const show = (point, near) => {
    if (active !== point) {
      if (active) active.element.classList.remove("active");
      active = point;
      point.element.classList.add("active");
      tip.textContent = point.text;
    }
    tip.hidden = false;
    const place = point.element.getBoundingClientRect();
    const anchor = near || { x: place.x + place.width / 2, y: place.y };
    const size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(4, anchor.x + 14), innerWidth - size.width - 4);
    const above = anchor.y - size.height - 12;
    tip.style.left = left + "px";
    tip.style.top = (above > 4 ? above : anchor.y + 18) + "px";
  };
  const hide = () => {
    tip.hidden = true;
    if (active) active.element.classList.remove("active");
    active = null;
  };

  for (const svg of document.querySelectorAll("svg[role=img]")) {
    const points = [];
    for (const title of [...svg.querySelectorAll("title")]) {
      const element = title.parentNode;
      // The browser's own tooltip would cover ours; the drawing's name stays for readers.
      if (element === svg) {
        svg.setAttribute("aria-label", title.textContent);
        svg.removeAttribute("aria-labelledby");
        const description = svg.querySelector("desc");
        if (description) svg.setAttribute("aria-describedby", description.id);
      } else {
        points.push({ element, text: title.textContent });
      }
      title.remove();
    }
    if (!points.length) continue;
    const nearest = (x, y) => {
      let best = null;
      let distance = 36;
      for (const point of points) {
        const box = point.element.getBoundingClientRect();
        const dx = Math.max(box.left - x, 0, x - box.right);
        const dy = Math.max(box.top - y, 0, y - box.bottom);
        const length = Math.hypot(dx, dy);
        if (length < distance) [best, distance] = [point, length];
      }
      return best;
    };
    const follow = event => {
      const point = nearest(event.clientX, event.clientY);
      if (point) show(point, { x: event.clientX, y: event.clientY });
      else hide();
    };
    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", event => {
      const at = points.indexOf(active);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") return hide();
      if (!step) return;
      event.preventDefault();
      show(points[at < 0 ? 0 : Math.min(Math.max(at + step, 0), points.length - 1)]);
    });
  }
  addEventListener("scroll", hide, { passive: true });

  const button = document.getElementById("theme");
  const names = ["automatic", "light", "dark"];
  let theme = 0;
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = (theme + 1) % names.length;
    if (theme) document.documentElement.dataset.theme = names[theme];
    else delete document.documentElement.dataset.theme;
    button.textContent = "Theme: " + names[theme];
  });

  for (const block of document.querySelectorAll(".copy")) {
    const copy = document.createElement("button");
    copy.type = "button";
    copy.textContent = "Copy";
    copy.addEventListener("click", () => {
      const code = block.querySelector("code");
      const selected = () => {
        getSelection().selectAllChildren(code);
        copy.textContent = "Selected";
      };
      if (!navigator.clipboard) return selected();
      navigator.clipboard.writeText(code.textContent)
        .then(() => { copy.textContent = "Copied"; }, selected);
    });
    block.append(copy);
  }
})();
