package upstreamsim

import (
	"crypto/sha256"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	shortLife = 5 * time.Minute
	longLife  = time.Hour
	// maxPrefixes bounds the prompt cache.
	maxPrefixes = 10_000
	// lookback is how many blocks before a mark may have been marked by an earlier
	// request.
	lookback = 20
	// claudeMediaTokens is what an image or a document of pages is taken for.
	claudeMediaTokens = 1500
)

// prompt is a request's input in the order in which the cache sees it: tools,
// system text, messages.
type prompt struct {
	chunks []chunk
	// automatic is the request's own cache_control, which marks the last block.
	automatic *node
}

// chunk is a tool or a block, and the marks on it and inside it.
type chunk struct {
	*node
	role   string
	tokens int
	marks  []*node
}

// hash writes the chunk without its marks. In which order a block has its members
// does not matter; inside them it does.
func (c *chunk) hash(to hash.Hash) {
	_, _ = io.WriteString(to, c.role)
	members := slices.SortedFunc(slices.Values(c.members), func(a, b member) int { return strings.Compare(a.name, b.name) })
	(&node{kind: objectKind, members: members}).hash(to)
}

func promptOf(body *node) prompt {
	p := prompt{automatic: body.get("cache_control")}
	for _, tool := range body.get("tools").list() {
		p.add("tools", tool)
	}
	for _, block := range blocksOf("system", body.get("system")) {
		p.add(systemRole, block.node)
	}
	for _, turn := range turnsOf(body.get("messages")) {
		for _, block := range turn.blocks {
			p.add(turn.role, block.node)
		}
	}
	return p
}

func (p *prompt) add(role string, n *node) {
	c := chunk{node: n, role: role, tokens: tokensOf(n)}
	if mark := n.get("cache_control"); mark != nil {
		c.marks = append(c.marks, mark)
	}
	for _, inner := range n.get("content").list() {
		if mark := inner.get("cache_control"); mark != nil {
			c.marks = append(c.marks, mark)
		}
	}
	p.chunks = append(p.chunks, c)
}

// tokens is an estimate that depends on nothing but the prompt.
func (p *prompt) tokens() int {
	tokens := 3
	for _, chunk := range p.chunks {
		tokens += chunk.tokens
	}
	return tokens
}

func tokensOf(n *node) int {
	if text := n.get("text"); text != nil {
		return 4 + (len(text.text)+3)/4
	}
	switch source := n.get("source"); source.get("type").string() {
	case "base64", "url", "file":
		return 4 + claudeMediaTokens
	}
	tokens := 4
	for _, member := range n.members {
		if member.name == "content" && member.value.kind == listKind {
			for _, inner := range member.value.items {
				tokens += tokensOf(inner)
			}
		} else if member.name != "cache_control" {
			tokens += (max(len(member.value.raw), len(member.value.text)) + 3) / 4
		}
	}
	return tokens
}

// cached is how the prompt met the cache, in tokens. The three and Fresh are the whole input.
type cached struct {
	fresh, read, written, writtenHour int
}

func (c cached) total() int { return c.fresh + c.read + c.written + c.writtenHour }

// promptCache remembers the prefixes that an organisation has marked.
type promptCache struct {
	mu       sync.Mutex
	prefixes map[[sha256.Size]byte]prefix
}

type prefix struct {
	life    time.Duration
	expires time.Time
}

// meet reads the longest prefix that is known, and writes those that are marked.
// There is no least length.
func (pc *promptCache) meet(owner string, p prompt, now time.Time) cached {
	total := p.tokens()
	ends, sums := p.prefixes(owner)
	marks := p.marked()
	if len(marks) == 0 {
		return cached{fresh: total}
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	read := 0
	for _, mark := range marks {
		for at := mark.at; at >= 0 && at > mark.at-lookback; at-- {
			if known, found := pc.prefixes[sums[at]]; found && now.Before(known.expires) {
				known.expires = now.Add(known.life)
				pc.prefixes[sums[at]] = known
				read = max(read, ends[at])
				break
			}
		}
	}
	result := cached{read: read}
	done := read
	for _, mark := range marks {
		pc.write(sums[mark.at], mark.life, now)
		more := max(ends[mark.at]-done, 0)
		done += more
		if mark.life == longLife {
			result.writtenHour += more
		} else {
			result.written += more
		}
	}
	result.fresh = total - done
	return result
}

func (pc *promptCache) write(sum [sha256.Size]byte, life time.Duration, now time.Time) {
	if pc.prefixes == nil {
		pc.prefixes = map[[sha256.Size]byte]prefix{}
	}
	if known, found := pc.prefixes[sum]; found && now.Before(known.expires) {
		life = max(life, known.life)
	}
	if len(pc.prefixes) >= maxPrefixes {
		for old := range pc.prefixes { // any
			delete(pc.prefixes, old)
			break
		}
	}
	pc.prefixes[sum] = prefix{life, now.Add(life)}
}

// marked is where a mark stands, and for how long it is kept.
type marked struct {
	at   int
	life time.Duration
}

func (p *prompt) marked() []marked {
	var all []marked
	for at, chunk := range p.chunks {
		for _, mark := range chunk.marks {
			all = append(all, marked{at, lifeOf(mark)})
		}
	}
	if p.automatic != nil {
		all = append(all, marked{len(p.chunks) - 1, lifeOf(p.automatic)})
	}
	return all
}

func lifeOf(mark *node) time.Duration {
	if mark.get("ttl").string() == "1h" {
		return longLife
	}
	return shortLife
}

// prefixes are the tokens and the sums of the prompt up to each of its chunks.
func (p *prompt) prefixes(owner string) (ends []int, sums [][sha256.Size]byte) {
	sum := sha256.New()
	_, _ = io.WriteString(sum, owner)
	tokens := 3
	for _, chunk := range p.chunks {
		chunk.hash(sum)
		tokens += chunk.tokens
		ends = append(ends, tokens)
		sums = append(sums, [sha256.Size]byte(sum.Sum(nil)))
	}
	return ends, sums
}
