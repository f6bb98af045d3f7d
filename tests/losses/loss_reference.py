"""The formulas of the losses again, in NumPy and plain loops, without a thought for speed or stability."""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def pair(row):
    """Probabilities over classes of one row of logits; one unit is two classes."""
    return np.array([1 - sigmoid(row[0]), sigmoid(row[0])]) if len(row) == 1 else softmax(row)


def rows(one):
    """Mean over rows of a formula of one row."""
    return lambda y, z: np.mean([one(int(c), row) for c, row in zip(y, z, strict=True)])


def labels(one):
    """Mean over rows and labels of a formula of one label."""

    def mean(y, z):
        return np.mean([[one(t, v) for t, v in zip(a, b, strict=True)] for a, b in zip(y, z, strict=True)])

    return mean


cross_entropy = rows(lambda c, row: -np.log(pair(row)[c]))


def focal(gamma, alpha=None):
    a = np.ones(9) if alpha is None else np.asarray(alpha)
    return rows(lambda c, row: -a[c] * (1 - pair(row)[c]) ** gamma * np.log(pair(row)[c]))


def adjusted(counts, tau):
    counts = np.asarray(counts, float)

    def one(c, row):
        full = np.array([0.0, row[0]]) if len(row) == 1 else row
        return -np.log(softmax(full + tau * np.log(counts / counts.sum()))[c])

    return rows(one)


def class_balanced(one, counts, beta):
    counts = np.asarray(counts, float)
    raw = (1 - beta) / (1 - beta**counts)
    weights = raw / (np.sum(raw * counts) / counts.sum())
    return rows(lambda c, row: weights[c] * one([c], [row]))


def ldam(counts, margin, scale):
    d = np.asarray(counts, float) ** -0.25
    d = d * margin / d.max()

    def one(c, row):
        full = (np.array([0.0, row[0]]) if len(row) == 1 else row).copy()
        full[c] -= d[c]
        return -np.log(softmax(scale * full)[c])

    return rows(one)


def smoothed(counts, head, tail):
    def one(c, row):
        p = pair(row)
        share = (counts[c] - min(counts)) / (max(counts) - min(counts))
        e = tail + (head - tail) * np.sin(np.pi / 2 * share)
        return -sum((1 - e if k == c else e / (len(p) - 1)) * np.log(p[k]) for k in range(len(p)))

    return rows(one)


def vector_scaling(counts, tau, gamma):
    counts = np.asarray(counts, float)
    factor, shift = (counts / counts.max()) ** gamma, tau * np.log(counts / counts.sum())

    def one(c, row):
        if len(row) > 1:
            return -np.log(softmax(factor * row + shift)[c])
        sign = 1 if c == 1 else -1
        return np.log(1 + np.exp(sign * (shift[0] - shift[1])) * np.exp(-factor[c] * sign * row[0]))

    return rows(one)


def expected_cost(costs):
    return rows(lambda c, row: float(np.dot(costs[c], pair(row))))


def label_focal(gamma, alpha):
    def one(t, v):
        s = sigmoid(v)
        return -alpha * t * (1 - s) ** gamma * np.log(s) - (1 - alpha) * (1 - t) * s**gamma * np.log(1 - s)

    return labels(one)


def asymmetric(gamma_neg, gamma_pos, clip):
    def one(t, v):
        s = sigmoid(v)
        m = max(s - clip, 0.0)
        return -t * (1 - s) ** gamma_pos * np.log(s) - (1 - t) * m**gamma_neg * np.log(1 - m)

    return labels(one)


def distribution_balanced(counts, n, shift, slope, center, scale, kappa):
    counts = np.asarray(counts, float)

    def loss(y, z):
        out = []
        for t, row in zip(y, z, strict=True):
            inverse = sum(1 / counts[k] for k in range(len(t)) if t[k])
            for k, v in enumerate(row):
                r = np.inf if inverse == 0 else (1 / counts[k]) / inverse
                u = v - kappa * np.log(n / counts[k] - 1)
                term = np.log(1 + np.exp(-u)) if t[k] else np.log(1 + np.exp(scale * u)) / scale
                out.append((shift + sigmoid(slope * (r - center))) * term)
        return np.mean(out)

    return loss


def regions(per_image):
    """Mean over images of a formula of (classes as columns of 0/1, probabilities), both (pixels, K)."""

    def loss(y, z):
        out = []
        for codes, logits in zip(y, z, strict=True):
            p = np.array([pair(row) for row in logits.reshape(-1, logits.shape[-1])])
            t = np.eye(p.shape[1])[codes.reshape(-1).astype(int)]
            cut = slice(1, 2) if logits.shape[-1] == 1 else slice(None)
            out.append(per_image(t, p, cut))
        return np.mean(out)

    return loss


def tversky(miss, alarm, smooth, gamma=1.0):
    def one(t, p, cut):
        out = []
        for a, b in zip(t[:, cut].T, p[:, cut].T, strict=True):
            hit, fn, fp = np.sum(a * b), np.sum(a * (1 - b)), np.sum((1 - a) * b)
            out.append((1 - (hit + smooth) / (hit + miss * fn + alarm * fp + smooth)) ** (1 / gamma))
        return np.mean(out)

    return regions(one)


def generalized_dice():
    def one(t, p, cut):
        w = [1 / v**2 if v else 0.0 for v in t.sum(0)]
        return 1 - 2 * np.sum(w * (t * p).sum(0)) / np.sum(w * (t + p).sum(0))

    return regions(one)


def combo(mix, beta, smooth):
    def one(t, p, cut):
        t, p = t[:, cut], p[:, cut]
        entropy = -np.mean(beta * t * np.log(p) + (1 - beta) * (1 - t) * np.log(1 - p))
        dice = np.mean(
            [(2 * np.sum(a * b) + smooth) / (a.sum() + b.sum() + smooth) for a, b in zip(t.T, p.T, strict=True)]
        )
        return mix * entropy + (1 - mix) * (1 - dice)

    return regions(one)


def ranking(one):
    """Mean over classes of a formula of (scores of positives, scores of negatives)."""

    def loss(y, z):
        p = np.array([pair(row) for row in z])
        s = np.log(p) - np.log(1 - p)
        classes = [1] if p.shape[1] == 2 else range(p.shape[1])
        out = [one(s[y == c, c], s[y != c, c]) for c in classes if np.any(y == c) and np.any(y != c)]
        return np.mean(out)

    return loss


def pairwise_auc(margin):
    return ranking(lambda pos, neg: np.mean([max(0, margin - (a - b)) ** 2 for a in pos for b in neg]))


def partial_auc(margin, t):
    def one(pos, neg):
        return np.mean([t * np.log(np.mean([np.exp(max(0, margin - (a - b)) ** 2 / t) for b in neg])) for a in pos])

    return ranking(one)


def auc_margin(margin):
    """The paper's min-max, solved by its own conditions: a, b the class means, alpha = (m + b - a)_+."""

    def one(pos, neg):
        pos, neg = sigmoid(pos), sigmoid(neg)
        a, b = pos.mean(), neg.mean()
        alpha = max(0.0, margin + b - a)
        value = np.mean((pos - a) ** 2) + np.mean((neg - b) ** 2)
        return value + 2 * alpha * (margin + neg.mean() - pos.mean()) - alpha**2

    return ranking(one)


def smooth_ap(t):
    def one(pos, neg):
        out = []
        for i, a in enumerate(pos):
            among = 1 + sum(sigmoid((b - a) / t) for j, b in enumerate(pos) if j != i)
            out.append(among / (among + sum(sigmoid((b - a) / t) for b in neg)))
        return 1 - np.mean(out)

    return ranking(one)


def gradient(loss, y, z, step=1e-3):
    """Central differences of fourth order, shape of `z`."""
    out = np.zeros_like(z)
    for index in np.ndindex(z.shape):
        unit = np.zeros_like(z)
        unit[index] = step
        near, far = loss(y, z + unit) - loss(y, z - unit), loss(y, z + 2 * unit) - loss(y, z - 2 * unit)
        out[index] = (8 * near - far) / (12 * step)
    return out
