"""Compiled loops of decoding: prefix beam search and forced alignment.

The beam holds prefixes, each a node of a tree (its last gloss and its parent node). Each prefix
has two numbers: the log probability of all paths so far that spell it and end on a blank, and of
those that end on its last gloss. A prefix is reached by staying (blank, or its last gloss
repeated) and by extending its parent; if both are in the beam, the two are added. Nodes live as
long as the sentence, so a prefix that drops out and returns is the same node, and its
descendants still find it.

Work per step: one pass over the classes for the most likely glosses, then at most width × tokens
sums; since prefixes and glosses are sorted, the first sum that is too low cuts off the rest. Only
staying needs logarithms.
"""

from __future__ import annotations

import numpy as np

from slaeval.compiled import compiled

__all__ = ["search", "viterbi"]

_NEVER = -np.inf


@compiled
def _add(a, b):  # type: ignore[no-untyped-def]
    """Return log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    if b == _NEVER:
        return a
    return a + np.log1p(np.exp(b - a))


@compiled
def _likeliest(frame, tokens, least, highest, chosen, values):  # type: ignore[no-untyped-def]
    """Choose the most likely glosses of a step, the smaller class first at equal probability.

    Returns
    -------
    int
        How many were chosen, or -1 for a step with nan, only -inf, or values above `highest`.
    """
    wrong = False
    top = frame[0]
    for label in range(frame.size):
        value = frame[label]
        wrong |= value != value
        top = value if value > top else top
    if wrong or top == _NEVER or top > highest:
        return -1
    count = 0
    for label in range(1, frame.size):
        value = frame[label]
        if count == tokens:
            if value <= values[count - 1]:
                continue
            count -= 1
        elif value == _NEVER:
            continue
        place = count
        while place > 0 and values[place - 1] < value:
            values[place] = values[place - 1]
            chosen[place] = chosen[place - 1]
            place -= 1
        values[place] = value
        chosen[place] = label
        count += 1
    while count > 1 and values[count - 1] < least:
        count -= 1
    return count


@compiled
def _offer(score, source, label, count, width, scores, sources, labels):  # type: ignore[no-untyped-def]
    """Insert a candidate among the best, after its equals; return their number."""
    if count == width:
        if score <= scores[count - 1]:
            return count
        count -= 1
    place = count
    while place > 0 and scores[place - 1] < score:
        scores[place] = scores[place - 1]
        sources[place] = sources[place - 1]
        labels[place] = labels[place - 1]
        place -= 1
    scores[place] = score
    sources[place] = source
    labels[place] = label
    return count + 1


@compiled
def search(log_probs, lengths, width, tokens, least, merge_repeats, highest, beams):  # type: ignore[no-untyped-def]
    """Decode a batch by prefix beam search.

    Parameters
    ----------
    log_probs : float32 array (B, T, V)
        Log probabilities; class 0 is the blank.
    lengths : int64 array (B,)
        Steps of each sequence.
    width, tokens : int
        Prefixes kept; glosses tried per step.
    least, highest : float
        A gloss below `least` is not tried, except the most likely; a value above `highest` is an
        error.
    merge_repeats : bool
        Collapse repeated adjacent glosses in the result.
    beams : int
        How many prefixes are returned, the most likely first.

    Returns
    -------
    tuple of arrays
        (B, beams, T) classes, and the steps at which each was most likely while the prefix before
        it was kept; the sizes (B, beams); the logarithms of the prefixes' probabilities, -inf
        where there are fewer prefixes; sequence and step of the first error, -1 for none.
    """
    batch, longest, classes = log_probs.shape
    out = np.zeros((batch, beams, longest), np.int32)
    steps = np.zeros((batch, beams, longest), np.int32)
    sizes = np.zeros((batch, beams), np.int64)
    probabilities = np.full((batch, beams), _NEVER)
    wrong = np.full(2, -1, np.int64)
    # The tree.
    room = 1024
    parent = np.empty(room, np.int32)
    gloss = np.empty(room, np.int32)
    child = np.empty(room, np.int32)
    sibling = np.empty(room, np.int32)
    slot = np.empty(room, np.int32)  # a node's place in the beam, or -1
    peak = np.empty(room, np.float32)  # the highest probability of a node's gloss, and when
    when = np.empty(room, np.int32)
    # The beam.
    node = np.empty(width, np.int32)
    ends_blank = np.empty(width)
    ends_gloss = np.empty(width)
    total = np.empty(width)
    stay_blank = np.empty(width)
    stay_gloss = np.empty(width)
    first = np.empty(width, np.int32)  # the first prefix in the beam that extends this one
    other = np.empty(width, np.int32)
    # What is kept of a step.
    scores = np.empty(width)
    sources = np.empty(width, np.int32)
    labels = np.empty(width, np.int32)
    kept = np.empty(width, np.int32)
    chosen = np.empty(tokens, np.int32)
    values = np.empty(tokens, np.float32)
    grown = np.full(classes, -1, np.int64)  # last round in which this gloss extended a prefix
    rounds = np.int64(0)
    for row in range(batch):
        parent[0] = -1
        gloss[0] = 0
        child[0] = -1
        sibling[0] = -1
        slot[0] = -1
        nodes = 1
        node[0] = 0
        ends_blank[0] = 0.0
        ends_gloss[0] = _NEVER
        total[0] = 0.0
        size = 1
        for step in range(lengths[row]):
            frame = log_probs[row, step]
            tried = _likeliest(frame, tokens, least, highest, chosen, values)
            if tried < 0:
                wrong[0] = row
                wrong[1] = step
                return out, steps, sizes, probabilities, wrong
            for i in range(size):
                slot[node[i]] = i
                first[i] = -1
            count = 0
            for i in range(size):
                label = gloss[node[i]]
                above = parent[node[i]]
                stay_blank[i] = total[i] + np.float64(frame[0])
                stay_gloss[i] = _NEVER
                if above >= 0:
                    emitted = np.float64(frame[label])
                    stay_gloss[i] = ends_gloss[i] + emitted
                    before = slot[above]
                    if before >= 0:
                        if frame[label] > peak[node[i]]:
                            peak[node[i]] = frame[label]
                            when[node[i]] = step
                        other[i] = first[before]
                        first[before] = i
                        # A repeated gloss needs a blank in between.
                        enough = ends_blank[before] if gloss[above] == label else total[before]
                        stay_gloss[i] = _add(stay_gloss[i], enough + emitted)
                score = _add(stay_blank[i], stay_gloss[i])
                if score > _NEVER:
                    count = _offer(score, i, -1, count, width, scores, sources, labels)
            for i in range(size):
                rounds += 1
                last = gloss[node[i]]
                j = first[i]
                while j >= 0:
                    grown[gloss[node[j]]] = rounds
                    j = other[j]
                for k in range(tried):
                    label = chosen[k]
                    score = total[i] + np.float64(values[k])
                    if count == width and score <= scores[count - 1]:
                        break
                    if grown[label] == rounds:
                        continue
                    if label == last:
                        score = ends_blank[i] + np.float64(values[k])
                    if score > _NEVER:
                        count = _offer(score, i, label, count, width, scores, sources, labels)
            if nodes + count > parent.size:
                room = max(2 * parent.size, nodes + count)
                parent = _longer(parent, room)
                gloss = _longer(gloss, room)
                child = _longer(child, room)
                sibling = _longer(sibling, room)
                slot = _longer(slot, room)
                peak = _longer(peak, room)
                when = _longer(when, room)
            for i in range(count):
                found = node[sources[i]]
                if labels[i] >= 0:
                    origin = found
                    found = child[origin]
                    while found >= 0 and gloss[found] != labels[i]:
                        found = sibling[found]
                    if found < 0:
                        found = nodes
                        nodes += 1
                        parent[found] = origin
                        gloss[found] = labels[i]
                        sibling[found] = child[origin]
                        child[found] = -1
                        slot[found] = -1
                        child[origin] = found
                    if slot[found] < 0:
                        peak[found] = frame[labels[i]]
                        when[found] = step
                kept[i] = found
            for i in range(size):
                slot[node[i]] = -1
            for i in range(count):
                node[i] = kept[i]
                total[i] = scores[i]
                if labels[i] >= 0:
                    ends_blank[i] = _NEVER
                    ends_gloss[i] = scores[i]
                else:
                    ends_blank[i] = stay_blank[sources[i]]
                    ends_gloss[i] = stay_gloss[sources[i]]
            size = count
        # The best prefix is first; each is read from its end.
        for i in range(min(size, beams)):
            probabilities[row, i] = total[i]
            length = 0
            at = node[i]
            while at > 0:
                if not merge_repeats or length == 0 or out[row, i, length - 1] != gloss[at]:
                    out[row, i, length] = gloss[at]
                    steps[row, i, length] = when[at]
                    length += 1
                at = parent[at]
            for k in range(length // 2):
                end = length - 1 - k
                out[row, i, k], out[row, i, end] = out[row, i, end], out[row, i, k]
                steps[row, i, k], steps[row, i, end] = steps[row, i, end], steps[row, i, k]
            sizes[row, i] = length
    return out, steps, sizes, probabilities, wrong


@compiled
def _longer(values, room):  # type: ignore[no-untyped-def]
    out = np.empty(room, values.dtype)
    out[: values.size] = values
    return out


@compiled
def viterbi(log_probs, labels):  # type: ignore[no-untyped-def]
    """Find the most likely path that spells `labels`.

    Parameters
    ----------
    log_probs : float32 array (T, V)
        Log probabilities; class 0 is the blank.
    labels : int64 array (L,)
        Classes, each from 1 to V - 1; empty if there are no steps.

    Returns
    -------
    tuple of float and array
        Log probability of the path, -inf if there is none, and its states (T,): state 2k + 1 is
        label k, an even one a blank.
    """
    steps = log_probs.shape[0]
    states = 2 * labels.size + 1
    best = np.full(states, _NEVER)
    moves = np.zeros((steps, states), np.uint8)
    path = np.zeros(steps, np.int64)
    for step in range(steps):
        # From the last state down: lower states still have the values of the previous step.
        for state in range(states - 1, -1, -1):
            label = labels[state // 2] if state % 2 else 0
            if step == 0:
                score = 0.0 if state < 2 else _NEVER
                move = 0
            else:
                score = best[state]
                move = 0
                if state > 0 and best[state - 1] > score:
                    score = best[state - 1]
                    move = 1
                if (
                    state % 2
                    and state > 2
                    and label != labels[state // 2 - 1]
                    and best[state - 2] > score
                ):
                    score = best[state - 2]
                    move = 2
            best[state] = score + np.float64(log_probs[step, label])
            moves[step, state] = move
    state = states - 1
    if states > 1 and best[states - 2] >= best[state]:
        state = states - 2
    score = best[state] if steps > 0 else 0.0
    for step in range(steps - 1, -1, -1):
        path[step] = state
        state -= moves[step, state]
    return score, path
