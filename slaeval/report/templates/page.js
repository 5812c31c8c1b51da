/* The list of all segments: search, filters, sorting, and rows made only while they are seen.
   It stands behind tables.js. */
(() => {
  // ---- The segments ---------------------------------------------------------------------
  const data = JSON.parse($("#data").textContent);
  const { ids, words, ops, other, frames, pictures } = data;
  const count = ids.length;
  const counted = (paths) => {
    const errors = new Int32Array(count);
    const signed = new Int32Array(count);
    const refAt = new Int32Array(count + 1);
    const hypAt = new Int32Array(count + 1);
    for (let i = 0; i < count; i += 1) {
      let c = 0, s = 0, d = 0, n = 0;
      for (const op of paths[i]) {
        if (op === "C") c += 1;
        else if (op === "S") s += 1;
        else if (op === "D") d += 1;
        else n += 1;
      }
      errors[i] = s + d + n;
      signed[i] = c + s + d;
      refAt[i + 1] = refAt[i] + signed[i];
      hypAt[i + 1] = hypAt[i] + c + s + n;
    }
    return { errors, signed, refAt, hypAt };
  };
  const { errors, signed, refAt, hypAt } = counted(ops);
  const against = other ? counted(other.ops) : null;

  /** Call visit(op, reference, hypothesis, place, index in hyp) for each step of a segment. */
  const walk = (i, visit) => {
    let r = refAt[i], h = hypAt[i];
    for (const op of ops[i]) {
      const place = Math.min(r - refAt[i], signed[i] - 1);
      const reference = op === "I" ? -1 : data.ref[r++];
      const hypothesis = op === "D" ? -1 : data.hyp[h++];
      visit(op, reference, hypothesis, place, op === "D" ? -1 : h - 1);
    }
  };

  let haystacks = null;
  const haystack = (i) => {
    if (!haystacks) {
      const small = words.map((word) => word.toLowerCase());
      const text = (numbers, from, to) => {
        let out = "";
        for (let k = from; k < to; k += 1) out += ` ${small[numbers[k]]}`;
        return out;
      };
      haystacks = ids.map((id, k) =>
        `${id.toLowerCase()} ${data.signers[data.signer[k]].toLowerCase()}`
        + text(data.ref, refAt[k], refAt[k + 1]) + text(data.hyp, hypAt[k], hypAt[k + 1])
        + (other ? text(other.hyp, against.hypAt[k], against.hypAt[k + 1]) : ""));
    }
    return haystacks[i];
  };

  // Words that the protocol takes for equal have one number.
  const folded = (word) => (data.fold ? word.replace(/[a-z]/g, (c) => c.toUpperCase()) : word);
  const firsts = new Map();
  const same = words.map((word, number) => {
    const key = folded(word);
    if (!firsts.has(key)) firsts.set(key, number);
    return firsts.get(key);
  });
  const range = (name) => {
    const [low, high] = name.match(/\d+/g).map(Number);
    if (high !== undefined) return [low, high];
    return [low, name.includes("more") ? Infinity : low];
  };
  const some = (i, test) => {
    let found = false;
    walk(i, (op, reference, hypothesis, place) => {
      found = found || test(op, reference, hypothesis, place);
    });
    return found;
  };
  /** What a filter asks of a segment, and how it is called. */
  const rules = {
    signer: (f) => {
      const signer = data.signers.indexOf(f.v);
      return [(i) => data.signer[i] === signer, `signer ${f.v}`];
    },
    length: (f) => {
      const [low, high] = range(f.v);
      return [(i) => signed[i] >= low && signed[i] <= high, f.v];
    },
    frequency: (f) => {
      const wanted = data.frequencies.indexOf(f.v);
      return [
        (i) => some(i, (op, r, h) =>
          op !== "C" && data.classes[op === "I" ? h : r] === wanted),
        `errors on glosses ${f.v} in training`];
    },
    position: (f) => {
      const from = parseFloat(f.v);
      const wanted = Number.isNaN(from) ? -1 : Math.round(from * data.parts / 100);
      const part = (i, place) => (place < 0 ? -1
        : Math.floor((2 * place + 1) * data.parts / (2 * signed[i])));
      return [
        (i) => some(i, (op, r, h, place) => op !== "C" && part(i, place) === wanted),
        `errors at ${f.v} of the sentence`];
    },
    pair: (f) => {
      const r = f.r === undefined ? -1 : firsts.get(folded(f.r));
      const h = f.h === undefined ? -1 : firsts.get(folded(f.h));
      const is = (word, wanted) => (word < 0 ? -1 : same[word]) === wanted;
      const name = { S: `${f.r} → ${f.h}`, D: `deleted ${f.r}`, I: `inserted ${f.h}` }[f.op];
      return [(i) => some(i, (op, a, b) => op === f.op && is(a, r) && is(b, h)), name];
    },
    outcome: (f) => [
      (i) => (f.v === "won" ? errors[i] < against.errors[i] : errors[i] > against.errors[i]),
      `segments ${f.v}`],
  };
  const has = (op) => (i) => ops[i].includes(op);
  const kinds = [
    ["all segments", () => true],
    ["with errors", (i) => errors[i] > 0],
    ["with substitutions", has("S")],
    ["with deletions", has("D")],
    ["with insertions", has("I")],
    ["without errors", (i) => errors[i] === 0],
  ];
  if (other) {
    kinds.push(
      [`won against ${data.names[1]}`, (i) => errors[i] < against.errors[i]],
      [`lost against ${data.names[1]}`, (i) => errors[i] > against.errors[i]]);
  }
  if (Object.keys(pictures).length) kinds.push(["with pictures", (i) => i in pictures]);
  const rate = (i) => (signed[i] ? errors[i] / signed[i] : errors[i] ? Infinity : 0);
  const sure = frames && ids.map((_, i) => {
    let sum = 0, known = 0;
    for (let k = hypAt[i]; k < hypAt[i + 1]; k += 1) {
      if (frames.confidence[k] >= 0) { sum += frames.confidence[k]; known += 1; }
    }
    return known ? sum / known : -1;
  });
  const collator = new Intl.Collator(undefined, { numeric: true });
  const orders = [
    ["most errors", (a, b) => errors[b] - errors[a]],
    ["highest WER", (a, b) => rate(b) - rate(a) || errors[b] - errors[a]],
    ["order of the corpus", () => 0],
    ["longest", (a, b) => signed[b] - signed[a]],
    ["shortest", (a, b) => signed[a] - signed[b]],
    ["name", (a, b) => collator.compare(ids[a], ids[b])],
    ["signer", (a, b) => data.signer[a] - data.signer[b]],
  ];
  if (other) {
    const gain = (i) => against.errors[i] - errors[i];
    orders.push(
      ["won by most", (a, b) => gain(b) - gain(a)],
      ["lost by most", (a, b) => gain(a) - gain(b)]);
  }
  if (frames) {
    orders.push(
      ["least confident", (a, b) => sure[a] - sure[b]],
      ["most confident", (a, b) => sure[b] - sure[a]]);
  }

  const options = (pairs) => pairs.map(([name], k) => make("option", { value: k }, name));
  const search = make("input", {
    type: "search", id: "search", placeholder: "glosses, segment or signer", autocomplete: "off",
    spellcheck: false, dir: "auto",
  });
  const kind = make("select", { id: "kind" }, ...options(kinds));
  const order = make("select", { id: "order" }, ...options(orders));
  const chips = make("span", { className: "chips" });
  const found = make("p", { className: "found", role: "status" });
  const rows = make("div", { className: "rows", role: "feed" });
  rows.setAttribute("aria-label", "Segments");
  const list = $("#list");
  list.append(
    make("div", { className: "tools", role: "search" },
      make("label", {}, "Search", search), make("label", {}, "Show", kind),
      make("label", {}, "Sort by", order), chips, found),
    rows);
  list.hidden = false;

  // ---- Rows of different height, made only where they are seen ------------------------------
  let shown = [];
  // Height of a segment's row: 0 unknown, else guessed, and measured once it was drawn.
  const heights = new Float64Array(count);
  let tops = new Float64Array(1);
  const live = new Map();
  let wide = 0;

  const wordWidth = (number) => {
    let units = 0;
    for (const c of words[number]) units += c > "\u2e80" ? 15 : c < "a" ? 10 : 8;
    return units + 14;
  };
  const guess = (i) => {
    const strips = pictures[i];
    let lines = 1, x = 60;
    walk(i, (op, r, h, _, at) => {
      let w = Math.max(r < 0 ? 0 : wordWidth(r), h < 0 ? 0 : wordWidth(h) + (op === "C" ? 0 : 18));
      if (strips && at >= 0 && strips[at - hypAt[i]]) w = Math.max(w, 140);
      x += Math.max(w, 26) + 3;
      if (x > wide) { lines += 1; x = w + 3; }
    });
    const line = 53 + (other ? 25 : 0) + (strips ? 78 : 0);
    return 40 + lines * line;
  };
  const restack = () => {
    tops = new Float64Array(shown.length + 1);
    for (let k = 0; k < shown.length; k += 1) {
      const i = shown[k];
      tops[k + 1] = tops[k] + (heights[i] || (heights[i] = guess(i)));
    }
    rows.style.height = `${tops[shown.length]}px`;
  };
  const at = (y) => {
    let low = 0, high = shown.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  const bdi = (number) => {
    const node = make("bdi", {}, words[number]);
    if (data.lang) node.lang = data.lang;
    return node;
  };
  const titles = { S: "substitution", D: "deletion", I: "insertion" };
  const said = (op, number) => {
    const cell = make("span", { className: `h ${op}` });
    if (op && op !== "C") cell.append(make("b", { title: titles[op] }, op));
    if (number >= 0) cell.append(bdi(number));
    else if (op) cell.append("–");
    return cell;
  };
  const reference = (number) => {
    const cell = make("span", { className: "r" });
    if (number < 0) { cell.append("–"); return cell; }
    cell.append(bdi(number));
    if (data.classes && data.classes[number] === 0) {
      cell.classList.add("rare");
      cell.title = "not in training";
    }
    return cell;
  };
  /** Steps of one system by reference place: what is inserted before it, what stands at it. */
  const placed = (path, hypothesis, from, length) => {
    const inserted = Array.from({ length: length + 1 }, () => []);
    const there = [];
    let h = from;
    for (const op of path) {
      if (op === "I") inserted[there.length].push(h++);
      else there.push([op, op === "D" ? -1 : h++]);
    }
    return { inserted, there, hypothesis };
  };
  const pictured = (i, h) => {
    const strip = h >= 0 && pictures[i] && pictures[i][h - hypAt[i]];
    if (!strip) return [];
    const start = frames.spans[2 * h], last = frames.spans[2 * h + 1] - 1;
    return [
      make("img", {
        src: `data:image/jpeg;base64,${strip}`, alt: `frames ${start} to ${last}`, height: 56,
      }),
      make("span", { className: "at", dir: "ltr" },
        `frames ${start}–${last}, ${frames.confidence[h]} %`),
    ];
  };
  const right = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;
  const build = (k) => {
    const i = shown[k];
    const n = signed[i];
    const systems = [placed(ops[i], data.hyp, hypAt[i], n)];
    if (other) systems.push(placed(other.ops[i], other.hyp, against.hypAt[i], n));
    const line = make("ol", { className: "al" });
    let rtl = false;
    line.append(make("li", { className: "label" }, make("span", { className: "r" }, "REF"),
      ...(other ? data.names : ["HYP"]).map((name) =>
        make("span", { className: "h", title: name }, name))));
    for (let place = 0; place <= n; place += 1) {
      const most = Math.max(...systems.map((mine) => mine.inserted[place].length));
      for (let extra = 0; extra < most; extra += 1) {
        const item = make("li", {}, reference(-1));
        for (const mine of systems) {
          const h = mine.inserted[place][extra];
          item.append(h === undefined ? said("", -1) : said("I", mine.hypothesis[h]));
        }
        item.append(...pictured(i, systems[0].inserted[place][extra]));
        line.append(item);
      }
      if (place < n) {
        const word = data.ref[refAt[i] + place];
        rtl = rtl || right.test(words[word]);
        const item = make("li", {}, reference(word));
        for (const mine of systems) {
          const [op, h] = mine.there[place];
          item.append(said(op, h < 0 ? -1 : mine.hypothesis[h]));
        }
        item.append(...pictured(i, systems[0].there[place][1]));
        line.append(item);
      }
    }
    for (let h = hypAt[i]; !rtl && h < hypAt[i + 1]; h += 1) rtl = right.test(words[data.hyp[h]]);
    line.dir = rtl ? "rtl" : "ltr";
    const path = ops[i];
    const times = (op) => path.split(op).length - 1;
    const head = make("p", { className: "head", id: `s${i}` }, make("bdi", {}, ids[i]));
    const signer = data.signers[data.signer[i]];
    const button = make("button", { type: "button", className: "f", title: "show this signer" },
      "signer ", make("bdi", {}, signer));
    button.dataset.f = JSON.stringify({ t: "signer", v: signer });
    head.append(button,
      make("span", {}, `S ${times("S")}  D ${times("D")}  I ${times("I")} of ${n} words`),
      make("span", {}, n ? `WER ${(100 * rate(i)).toFixed(1)} %` : "no words"));
    if (other) {
      const gain = against.errors[i] - errors[i];
      head.append(make("span", {}, make("b", { className: gain > 0 ? "won" : gain < 0 ? "lost" : "" },
        gain > 0 ? "+ won" : gain < 0 ? "− lost" : "= as good"),
      ` errors: ${errors[i]} against ${against.errors[i]}`));
    }
    if (frames && sure[i] >= 0) head.append(make("span", {}, `confidence ${sure[i].toFixed(0)} %`));
    const row = make("article", { className: "seg", tabIndex: -1 }, head, line);
    row.setAttribute("aria-labelledby", `s${i}`);
    row.setAttribute("aria-posinset", k + 1);
    row.setAttribute("aria-setsize", shown.length);
    return row;
  };

  let focused = 0;
  const draw = () => {
    if (!shown.length) return;
    const top = -rows.getBoundingClientRect().top;
    const view = window.innerHeight;
    const first = at(top - view / 2), last = at(top + 1.5 * view);
    for (const [k, row] of live) {
      if (k < first || k > last) { row.remove(); live.delete(k); }
    }
    const fresh = [];
    for (let k = first; k <= last; k += 1) {
      if (!live.has(k)) {
        const row = build(k);
        row.tabIndex = k === focused ? 0 : -1;
        live.set(k, row);
        fresh.push(k);
      }
    }
    if (!fresh.length) return;
    for (const k of fresh) {
      // Keep the document in reading order.
      let next = k + 1;
      while (next <= last && !(live.get(next) && live.get(next).isConnected)) next += 1;
      rows.insertBefore(live.get(k), next <= last ? live.get(next) : null);
    }
    const anchor = at(top);
    const before = tops[anchor];
    for (const k of fresh) heights[shown[k]] = live.get(k).offsetHeight;
    restack();
    for (const [k, row] of live) row.style.top = `${tops[k]}px`;
    const moved = tops[anchor] - before;
    if (Math.abs(moved) >= 1 && top > 0) window.scrollBy(0, moved);
    // Guesses that were too high leave room for more rows.
    if (tops[last + 1] < top + view && last + 1 < shown.length) draw();
  };
  const layout = () => {
    if (wide !== rows.clientWidth) {
      wide = rows.clientWidth;
      heights.fill(0);
    }
    for (const row of live.values()) row.remove();
    live.clear();
    restack();
    draw();
  };

  const chosen = [];
  const apply = () => {
    const tokens = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const tests = chosen.map(([test]) => test);
    const ofKind = kinds[kind.value][1];
    shown = [];
    let wrong = 0, all = 0;
    for (let i = 0; i < count; i += 1) {
      if (ofKind(i) && tests.every((test) => test(i))
        && (!tokens.length || tokens.every((token) => haystack(i).includes(token)))) {
        shown.push(i);
        wrong += errors[i];
        all += signed[i];
      }
    }
    shown.sort((a, b) => orders[order.value][1](a, b) || a - b);
    const number = (n) => n.toLocaleString("en");
    found.textContent = `${number(shown.length)} of ${number(count)} segments, `
      + `${number(wrong)} errors in ${number(all)} words`
      + (all ? `: WER ${(100 * wrong / all).toFixed(2)} %` : "");
    focused = 0;
    layout();
  };
  const show = (filter) => {
    const [test, name] = rules[filter.t](filter);
    if (!chosen.some(([, known]) => known === name)) {
      const entry = [test, name];
      const chip = make("button", { type: "button", title: "remove this filter" },
        make("bdi", {}, name), " ×");
      chip.setAttribute("aria-label", `remove the filter ${name}`);
      chip.addEventListener("click", () => {
        chosen.splice(chosen.indexOf(entry), 1);
        chip.remove();
        apply();
        search.focus({ preventScroll: true });
      });
      chosen.push(entry);
      chips.append(chip);
    }
    apply();
    $("#segments").scrollIntoView();
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.f");
    if (button) show(JSON.parse(button.dataset.f));
  });
  // Long lists: let a key press show before the list follows.
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 30);
  });
  kind.addEventListener("change", apply);
  order.addEventListener("change", apply);
  let asked = false;
  const later = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  };
  window.addEventListener("scroll", later, { passive: true });
  window.addEventListener("resize", () => {
    if (rows.clientWidth !== wide) layout();
    else later();
  });

  // ---- Keys: / searches; in the list j, k, Page Down and Page Up go from segment to segment.
  const go = (k) => {
    focused = Math.max(0, Math.min(shown.length - 1, k));
    const bar = $(".tools").getBoundingClientRect().bottom;
    const box = rows.getBoundingClientRect();
    const y = box.top + tops[focused];
    if (y < bar || y + heights[shown[focused]] > window.innerHeight) window.scrollBy(0, y - bar);
    draw();
    for (const [number, row] of live) row.tabIndex = number === focused ? 0 : -1;
    const row = live.get(focused);
    if (row) row.focus({ preventScroll: true });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const typing = /^(input|select|textarea)$/i.test(event.target.tagName);
    if (event.key === "/" && !typing) {
      event.preventDefault();
      search.focus();
    } else if (event.target === search && event.key === "Enter") {
      go(0);
    } else if (!typing && rows.contains(event.target)) {
      const step = { j: 1, PageDown: 1, k: -1, PageUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        go(focused + step);
      }
    }
  });
  rows.addEventListener("focusin", (event) => {
    const row = event.target.closest(".seg");
    for (const [k, mine] of live) if (mine === row) focused = k;
  });

  apply();
  // The first search need not wait for its texts.
  setTimeout(() => count && haystack(0), 300);
})();
