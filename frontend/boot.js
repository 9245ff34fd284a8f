// Runs before all else, also in browsers that cannot run the rest. ES5 on purpose.
(function () {
  try {
    var theme = localStorage.getItem("darkroom-theme");
    if (theme === "light" || theme === "dark") document.documentElement.setAttribute("data-theme", theme);
  } catch (_) {
    // Storage is closed to this page: the system's theme it is.
  }

  function capable() {
    return (
      typeof WebAssembly === "object" &&
      typeof Worker === "function" &&
      typeof BigUint64Array === "function" &&
      typeof HTMLDialogElement === "function" &&
      "noModule" in document.createElement("script")
    );
  }

  function say(id) {
    document.getElementById("loading").hidden = true;
    document.getElementById("before").hidden = false;
    document.getElementById(id).hidden = false;
  }

  // Whatever fails before the page stands keeps it from standing.
  function failed(event) {
    var of = event.target;
    if (of && of.tagName && of.tagName !== "SCRIPT") return;
    if (document.getElementById("before")) say("did-not-start");
    else window.addEventListener("DOMContentLoaded", function () { say("did-not-start"); });
  }

  window.addEventListener("error", failed, true);
  window.addEventListener("unhandledrejection", failed);
  document.addEventListener("darkroom-open", function () {
    window.removeEventListener("error", failed, true);
    window.removeEventListener("unhandledrejection", failed);
    document.getElementById("before").hidden = true;
  });
  document.addEventListener("darkroom-stopped", function () {
    document.getElementById("page").hidden = true;
    say("stopped");
  });
  document.addEventListener("DOMContentLoaded", function () {
    if (!capable()) say("cannot-start");
    else document.getElementById("loading").hidden = false;
  });
})();
