// The button that copies a new key; where the browser cannot, it stays hidden.
(() => {
  "use strict";

  const button = document.querySelector("[data-copy]"), said = document.querySelector("[data-copied]");
  if (!button || !navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      said.hidden = false;
    } catch { button.hidden = true; }
  });
})();
