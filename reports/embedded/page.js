// Tabs: without scripts every panel simply stands open under its title.
for (const set of document.querySelectorAll(".tabset")) {
  const panels = [...set.children];
  const list = document.createElement("div");
  list.setAttribute("role", "tablist");
  list.className = "tab-list";
  const tabs = panels.map((panel) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = panel.id + "-tab";
    tab.textContent = panel.dataset.title;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    list.append(tab);
    return tab;
  });
  const open = (chosen, focus) => {
    tabs.forEach((tab, index) => {
      tab.setAttribute("aria-selected", String(index === chosen));
      tab.tabIndex = index === chosen ? 0 : -1;
      panels[index].classList.toggle("closed", index !== chosen);
    });
    if (focus) tabs[chosen].focus();
  };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => open(index, false));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) open((index + step + tabs.length) % tabs.length, true);
    });
  });
  set.prepend(list);
  set.classList.add("active");
  open(0, false);
}

// The table of contents follows the reader.
const links = new Map([...document.querySelectorAll("#toc a")].map((link) => [link.hash.slice(1), link]));
if (links.size && "IntersectionObserver" in window) {
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(decodeURIComponent(entry.target.id))?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "0px 0px -75% 0px" },
  );
  for (const heading of document.querySelectorAll("main h1[id], main h2[id], main h3[id]")) watcher.observe(heading);
}
