// Small behaviours of the pages: menu, theme, keys, selection, dialogs, copying, and the state of the live line.
(() => {
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    const toggle = at(".side-toggle");
    if (toggle) toggle.setAttribute("aria-expanded", String(find("#side").classList.toggle("open")));
    const theme = at("button[data-theme]");
    if (theme) window.chooseTheme(theme.dataset.theme);
    const opener = at("[data-dialog]");
    if (opener) find(`#${opener.dataset.dialog}`).showModal();
    if (at("[data-close]")) at("dialog").close();
    if (at("[data-print]")) window.print();
    const copy = at("[data-copy]");
    if (copy) {
      navigator.clipboard.writeText(find(copy.dataset.copy).textContent.trim()).then(() => {
        copy.textContent = copy.dataset.done;
      });
    }
    for (const open of all("details.chip[open], details.pick[open]")) if (!open.contains(event.target)) open.open = false;
  });

  // A dangerous button stays off until the system's name is typed.
  document.addEventListener("input", (event) => {
    const typed = event.target.closest("[data-confirm-name]");
    if (typed) find("[data-confirmed]", typed.form).disabled = typed.value.trim() !== typed.dataset.confirmName;
    const filter = event.target.closest("[data-filter]");
    if (filter) narrow(filter);
  });

  const narrow = (filter) => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const line of all("[data-line]", find(filter.dataset.filter))) {
      line.hidden = !words.every((word) => line.textContent.toLowerCase().includes(word));
    }
  };

  // On a phone the tabs are wider than the screen: show the one that is open.
  for (const tab of all(".tabs [aria-current]")) tab.parentElement.scrollLeft = tab.offsetLeft - (tab.parentElement.clientWidth - tab.offsetWidth) / 2;

  const rows = () => all("[data-list] tbody tr");
  const boxes = () => all("[data-list] input[name=ids]");
  const count = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    for (const bulk of all("[data-bulk]")) {
      bulk.hidden = chosen === 0;
      find("[data-bulk-count]", bulk).textContent = chosen;
    }
    const whole = find("[data-list] [data-all]");
    if (whole) whole.checked = chosen > 0 && chosen === boxes().length;
  };
  document.addEventListener("change", (event) => {
    const file = event.target.closest("[data-most-bytes]");
    if (file) file.setCustomValidity(file.files[0]?.size > Number(file.dataset.mostBytes) ? file.dataset.tooLarge : "");
    if (event.target.matches("[data-all]")) for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.matches("[data-all], input[name=ids]")) count();
  });

  const move = (step) => {
    const lines = rows();
    if (!lines.length) return;
    const now = lines.findIndex((line) => line.classList.contains("cursor"));
    const next = Math.min(lines.length - 1, Math.max(0, now < 0 ? (step > 0 ? 0 : lines.length - 1) : now + step));
    for (const line of lines) line.classList.remove("cursor");
    lines[next].classList.add("cursor");
    lines[next].scrollIntoView({ block: "nearest" });
    const link = find("a.row-link", lines[next]);
    if (link) link.focus({ preventScroll: true });
  };
  // Escape closes an open menu and gives the focus back; dialogs do so by themselves.
  const escape = () => {
    for (const open of all("details.chip[open], details.pick[open]")) {
      open.open = false;
      find("summary", open).focus();
    }
    if (find("#side.open")) find(".side-toggle").click(), find(".side-toggle").focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !find("dialog[open]")) escape();
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
    const cursor = find("[data-list] tr.cursor");
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "x" && cursor) {
      const box = find("input[name=ids]", cursor);
      if (box) box.click();
    } else if (event.key === "Enter" && cursor && !event.target.closest("a, button, summary")) {
      const link = find("a.row-link", cursor);
      if (link) link.click();
    } else if (event.key === "/" && find("[data-search]")) {
      event.preventDefault();
      find("[data-search]").focus();
    } else if (event.key === "?") find("#keys")?.showModal();
  });

  // Live pages: say when the line is broken, and load the page again once the run has ended.
  const live = () => find("[data-live]");
  const line = (broken) => live()?.classList.toggle("line-broken", broken);
  document.addEventListener("htmx:sseOpen", () => line(false));
  document.addEventListener("htmx:sseError", () => line(true));
  document.addEventListener("htmx:afterSettle", () => {
    count();
    const filter = find("[data-filter]");
    if (filter?.value) narrow(filter);
  });
  document.addEventListener("htmx:sseClose", (event) => {
    if (event.detail.type === "message") window.location.reload();
  });
  document.addEventListener("htmx:sseMessage", () => {
    line(false);
    const filter = find("[data-filter]");
    if (filter?.value) narrow(filter);
  });
  addEventListener("pageshow", count);
})();
