// What the pages do beyond plain HTML: parts marked data-live follow the server's events, the menu is open where there
// is room, and forms marked data-confirm ask first. Everything works without this file, only not by itself.
(() => {
  "use strict";

  const wide = matchMedia("(min-width: 60rem)");
  const menu = document.querySelector("details.menu");
  const fit = () => { if (menu) menu.open = wide.matches; };
  fit();
  wide.addEventListener("change", fit);

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });

  const live = () => document.querySelectorAll("[data-live][id]");
  if (!document.body.dataset.events || live().length === 0) return;

  let asked = false, again = false;
  const refresh = async () => {
    if (asked) { again = true; return; }
    asked = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
      if (answer.ok && !answer.redirected) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the next event tries again */ }
    setTimeout(() => { asked = false; if (again) { again = false; refresh(); } }, 500);
  };

  const replace = (fresh) => {
    for (const old of live()) {
      const now = fresh.getElementById(old.id);
      if (!now || now.isEqualNode(old) || old.contains(document.activeElement)) continue;
      old.replaceWith(now);
      document.dispatchEvent(new CustomEvent("penstock:replaced", { detail: now }));
    }
  };

  // "listening" too: what happened between the page and the first event is told by nothing else
  const source = new EventSource(document.body.dataset.events);
  for (const name of ["listening", "queued", "started", "progress", "ended"]) source.addEventListener(name, refresh);
  addEventListener("pagehide", () => source.close());
})();
