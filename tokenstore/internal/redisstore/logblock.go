package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/klauspost/compress/s2"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Entries of one batch are alike, so they are stored in blocks: an item of the stream has as many
// as a reader of one of them can be asked to unpack. A block's prompts are one sealed text.
const (
	// blockEntries, and blockBytes of entries or of prompts, are enough for a block.
	blockEntries = 64
	blockBytes   = 64 << 10
	// maxBlock and maxPromptBlock bound what a block is unpacked to, in bytes. No message that
	// brings entries is larger than the first.
	maxBlock       = 64 << 20
	maxPromptBlock = blockBytes + blockEntries*binary.MaxVarintLen32 + maxPrompt
)

var errBlock = errors.New("a block of log entries is damaged")

// blockWriter makes blocks of a replica's entries.
type blockWriter struct {
	replica string
	// first is the sequence of the block's first entry, and count how many entries it has.
	first uint64
	count int
	// records and prompts are lists as appendText makes them.
	records, prompts []byte
	prompted         bool
}

// add puts an entry into the block.
func (w *blockWriter) add(entry *tokenstorev1.LogEntry) error {
	if w.count == 0 {
		w.first = entry.GetSequence()
		w.records = appendText(w.records[:0], w.replica)
		w.prompts, w.prompted = w.prompts[:0], false
	}
	w.count++
	prompt := entry.GetPrompt()
	w.prompts = appendText(w.prompts, prompt)
	w.prompted = w.prompted || prompt != ""
	entry.Prompt, entry.Replica = "", ""
	w.records = binary.AppendUvarint(w.records, uint64(proto.Size(entry))) //nolint:gosec // not negative
	records, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(w.records, entry)
	w.records, entry.Prompt = records, prompt
	if err != nil {
		return fmt.Errorf("log entry: %w", err)
	}
	return nil
}

func (w *blockWriter) full() bool {
	return w.count >= blockEntries || len(w.records) >= blockBytes || len(w.prompts) >= blockBytes
}

// args are the block as append_log takes it. The next entry begins another one.
func (w *blockWriter) args(s *Store) []any {
	prompts := []byte{}
	if w.prompted {
		prompts = s.sealPacked(w.prompts, promptsBinding(w.replica, w.first))
	}
	args := []any{w.count, s2.Encode(nil, w.records), prompts}
	w.count = 0
	return args
}

// logBlock is an item of the log's stream.
type logBlock struct {
	entries []*tokenstorev1.LogEntry
	// single: data of before there were blocks, which have one entry an item.
	single bool
}

// readBlock reads an item. An entry that can't be read says so in its place: the rest is still
// worth reading.
func readBlock(item redis.XMessage) logBlock {
	if record, single := item.Values["e"].(string); single {
		return logBlock{entries: []*tokenstorev1.LogEntry{readEntry(record)}, single: true}
	}
	packed, _ := item.Values["b"].(string)
	count, _ := item.Values["n"].(string)
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > blockEntries {
		n = 1
	}
	block := logBlock{entries: make([]*tokenstorev1.LogEntry, 0, n)}
	list, err := unmatch([]byte(packed), maxBlock)
	replica, list, _ := nextText(list) // what is not whole has nothing behind it
	for range n {
		record, rest, whole := nextText(list)
		list = rest
		if err != nil || !whole {
			block.entries = append(block.entries, damagedEntry(errBlock))
			continue
		}
		entry := readEntry(record)
		entry.Replica = replica
		block.entries = append(block.entries, entry)
	}
	return block
}

func readEntry(record string) *tokenstorev1.LogEntry {
	entry := &tokenstorev1.LogEntry{}
	if err := proto.Unmarshal([]byte(record), entry); err != nil {
		return damagedEntry(err)
	}
	return entry
}

func damagedEntry(err error) *tokenstorev1.LogEntry {
	return &tokenstorev1.LogEntry{Error: "[this entry is damaged: " + err.Error() + "]"}
}

// addPrompts gives the entries their prompts.
func (s *Store) addPrompts(block logBlock, sealed string) {
	text, err := s.openPrompts(block, sealed)
	for _, entry := range block.entries {
		switch {
		case err != nil: // its key is gone
			entry.Prompt = "[" + err.Error() + "]"
		case block.single:
			entry.Prompt = text
		default:
			entry.Prompt, text, _ = nextText(text)
		}
	}
}

// openPrompts returns the prompts of a block as sealPacked took them.
func (s *Store) openPrompts(block logBlock, sealed string) (string, error) {
	return s.openPacked(sealed, block.binding(), block.maxPrompts())
}

// prompted is how many prompts there are in a block's text of them.
func (b logBlock) prompted(text string) (n int) {
	if b.single {
		return 1
	}
	for range b.entries {
		var prompt string
		if prompt, text, _ = nextText(text); prompt != "" {
			n++
		}
	}
	return n
}

func (b logBlock) binding() string {
	first := b.entries[0]
	if b.single {
		return "prompt " + first.GetReplica() + " " + strconv.FormatUint(first.GetSequence(), 10)
	}
	return promptsBinding(first.GetReplica(), first.GetSequence())
}

func (b logBlock) maxPrompts() int {
	if b.single {
		return maxPrompt
	}
	return maxPromptBlock
}

func promptsBinding(replica string, first uint64) string {
	return "prompts " + replica + " " + strconv.FormatUint(first, 10)
}

// appendText adds a text to a list of texts: its length and its bytes.
func appendText(list []byte, text string) []byte {
	return append(binary.AppendUvarint(list, uint64(len(text))), text...)
}

// nextText takes the first text off a list.
func nextText(list string) (text, rest string, ok bool) {
	head := list[:min(len(list), binary.MaxVarintLen64)]
	size, n := binary.Uvarint([]byte(head))
	if n <= 0 || size > uint64(len(list)-n) { //nolint:gosec // not negative
		return "", "", false
	}
	end := n + int(size) //nolint:gosec // within the list
	return list[n:end], list[end:], true
}
