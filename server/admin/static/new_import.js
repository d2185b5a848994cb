// Sends files with a progress bar, and lets files be dropped on fields. The form works without this script.
(() => {
  "use strict";

  const form = document.getElementById("send");
  if (!form) return;
  const sending = document.getElementById("sending");
  const bar = sending.querySelector("progress");
  const words = sending.querySelector("[role=status]");
  const button = form.querySelector("button");
  for (const hint of form.querySelectorAll(".by-script")) hint.hidden = false;

  for (const zone of form.querySelectorAll(".drop")) {
    const input = zone.querySelector("input[type=file]");
    const over = (event) => { event.preventDefault(); zone.classList.add("over"); };
    const out = () => zone.classList.remove("over");
    zone.addEventListener("dragover", over);
    zone.addEventListener("dragleave", out);
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      out();
      const given = new DataTransfer();
      const dropped = [...event.dataTransfer.files];
      for (const file of input.multiple ? dropped : dropped.slice(0, 1)) given.items.add(file);
      if (given.files.length) input.files = given.files;
    });
  }

  const refuse = (text) => {
    const said = new DOMParser().parseFromString(text, "text/html");
    const found = said.getElementById("problems") || said.querySelector("main p");
    const place = document.getElementById("problems");
    const message = found ? found.textContent : "The server did not answer as expected.";
    place.replaceChildren(...(found && found.id ? found.childNodes : [problem(message)]));
    place.scrollIntoView({ block: "center" });
    rest();
  };
  const problem = (text) => {
    const box = document.createElement("div");
    box.className = "problems";
    box.setAttribute("role", "alert");
    box.append(Object.assign(document.createElement("p"), { textContent: text }));
    return box;
  };
  const rest = () => { sending.hidden = true; button.disabled = false; };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    let tenth = -1;
    request.upload.addEventListener("progress", ({ lengthComputable, loaded, total }) => {
      if (!lengthComputable) return;
      bar.value = loaded / total;
      if (Math.floor(10 * loaded / total) === tenth) return;
      tenth = Math.floor(10 * loaded / total); // a screen reader hears every tenth, not every packet
      words.textContent = loaded === total ? "All sent; the server is saving it." : `${10 * tenth} % sent`;
    });
    request.addEventListener("load", () => {
      if (request.status === 200 && request.responseURL !== form.action) location.assign(request.responseURL);
      else refuse(request.responseText);
    });
    request.addEventListener("error", () => {
      const message = "The connection was lost before everything was sent. Nothing was kept; send the files again.";
      refuse(`<main><p>${message}</p></main>`);
    });
    request.addEventListener("abort", rest);
    document.getElementById("stop").onclick = () => request.abort();
    request.open("POST", form.action);
    request.setRequestHeader("X-CSRF-Token", form.elements.csrf.value);
    request.send(new FormData(form));
    bar.value = 0;
    words.textContent = "Sending";
    sending.hidden = false;
    button.disabled = true;
  });
})();
