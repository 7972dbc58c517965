package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var appendLogScript = newScript("append_log")

const (
	// sequenceTTL is how long a replica may be silent and still repeat a batch.
	sequenceTTL = 7 * 24 * time.Hour
	// maxBatch bounds the entries of one append.
	maxBatch = 2000
	// scanPage and maxScan bound what one query reads of the log.
	scanPage = 500
	maxScan  = 20_000
	// clockSkew is how far a gateway's clock may be ahead of Redis's.
	clockSkew = 5 * time.Minute
	// maxLogText and maxPrompt bound an entry's texts, in bytes; longer ones are cut.
	maxLogText = 2 << 10
	maxPrompt  = 256 << 10
)

var replicaForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// AppendLog stores a replica's entries that it has not stored before, and
// answers how many those are when they are on disk. It takes the entries over.
func (s *Store) AppendLog(ctx context.Context, replica string, entries []*tokenstorev1.LogEntry) (int, error) {
	if !replicaForm.MatchString(replica) {
		return 0, invalid(errors.New("replica: 1 to 128 letters, digits, `.`, `_` and `-`"))
	}
	if len(entries) > maxBatch {
		return 0, invalid(fmt.Errorf("entries: at most %d", maxBatch))
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return 0, err
	}
	args := make([]any, 0, 2+3*len(entries))
	args = append(args, settings.GetLogRetentionCount(), sequenceTTL.Milliseconds())
	var last uint64
	for _, entry := range entries {
		if entry.GetSequence() <= last {
			return 0, invalid(errors.New("entries: sequences ascend, from 1"))
		}
		last = entry.GetSequence()
		record, prompt, err := s.encodeEntry(replica, entry)
		if err != nil {
			return 0, err
		}
		args = append(args, last, record, prompt)
	}
	stored, err := appendLogScript.run(ctx, s.client, []string{logEntriesKey(), logSequenceKey(replica)}, args...).Int()
	if err != nil {
		return 0, storeError("append to the log", err)
	}
	return stored, s.barrier.Sync(ctx) // a repeated batch, too, is acknowledged only from disk
}

// encodeEntry answers the entry without its prompt, and the prompt sealed. It
// completes the entry and cuts its texts in place.
func (s *Store) encodeEntry(replica string, entry *tokenstorev1.LogEntry) (record []byte, prompt string, err error) {
	text := entry.GetPrompt()
	entry.Replica, entry.Prompt = replica, ""
	for _, text := range []*string{&entry.Id, &entry.Model, &entry.Error, &entry.TokenAlias} {
		*text = cut(*text, maxLogText)
	}
	record, err = proto.Marshal(entry)
	entry.Prompt = text
	if err != nil {
		return nil, "", fmt.Errorf("log entry: %w", err)
	}
	if text != "" {
		prompt = s.keys.Seal(secret.New(cut(text, maxPrompt)), promptBinding(entry))
	}
	return record, prompt, nil
}

func promptBinding(entry *tokenstorev1.LogEntry) string {
	return "prompt " + entry.GetReplica() + " " + strconv.FormatUint(entry.GetSequence(), 10)
}

// cut shortens text to limit bytes, between characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// LogFilter chooses log entries; its zero fields choose all.
type LogFilter struct {
	Model, Status, TokenAlias string
	Stream                    *bool
	// Error is found anywhere in the error's text, in any case.
	Error    string
	From, To time.Time
}

func (f LogFilter) match(e *tokenstorev1.LogEntry) bool {
	started := e.GetStartedAt().AsTime()
	return (f.Model == "" || e.GetModel() == f.Model) &&
		(f.Status == "" || e.GetStatus() == f.Status) &&
		(f.TokenAlias == "" || e.GetTokenAlias() == f.TokenAlias) &&
		(f.Stream == nil || e.GetStream() == *f.Stream) &&
		(f.Error == "" || strings.Contains(strings.ToLower(e.GetError()), strings.ToLower(f.Error))) &&
		(f.From.IsZero() || !started.Before(f.From)) &&
		(f.To.IsZero() || !started.After(f.To))
}

// QueryLog answers up to limit of the entries that the filter chooses, newest
// first, from where the cursor of the previous page points; and the next cursor,
// empty at the end. It reads a bounded part of the log: where little matches, a
// page may be short, even empty, and still have a next one.
func (s *Store) QueryLog(ctx context.Context, filter LogFilter, limit int, cursor string) ([]*tokenstorev1.LogEntry, string, error) {
	before := "+"
	if cursor != "" {
		if !streamID.MatchString(cursor) {
			return nil, "", rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "cursor: not one of ours; begin without")
		}
		before = "(" + cursor
	}
	oldest := "-"
	if !filter.From.IsZero() { // an entry is stored after it began
		oldest = strconv.FormatInt(max(filter.From.Add(-clockSkew).UnixMilli(), 0), 10)
	}
	var chosen []*tokenstorev1.LogEntry
	for scanned := 0; scanned < maxScan; scanned += scanPage {
		page, err := s.client.XRevRangeN(ctx, logEntriesKey(), before, oldest, scanPage).Result()
		if err != nil {
			return nil, "", storeError("query the log", err)
		}
		for _, message := range page {
			entry, err := s.decodeEntry(message)
			if err != nil {
				return nil, "", err
			}
			if filter.match(entry) {
				chosen = append(chosen, entry)
			}
			if len(chosen) == limit {
				return chosen, message.ID, nil
			}
			before = "(" + message.ID
		}
		if len(page) < scanPage {
			return chosen, "", nil
		}
	}
	return chosen, before[1:], nil
}

var streamID = regexp.MustCompile(`^\d{1,20}-\d{1,20}$`)

func (s *Store) decodeEntry(message redis.XMessage) (*tokenstorev1.LogEntry, error) {
	record, _ := message.Values["e"].(string)
	entry := &tokenstorev1.LogEntry{}
	if err := proto.Unmarshal([]byte(record), entry); err != nil {
		return nil, fmt.Errorf("log entry %s: %w", message.ID, err)
	}
	if sealed, _ := message.Values["p"].(string); sealed != "" {
		prompt, err := s.keys.Open(sealed, promptBinding(entry))
		if err != nil { // its key is gone; the rest of the entry is still worth reading
			prompt = secret.New("[" + err.Error() + "]")
		}
		entry.Prompt = prompt.Reveal()
	}
	return entry, nil
}

// LogSize is the number of entries that are kept now.
func (s *Store) LogSize(ctx context.Context) (uint64, error) {
	size, err := s.client.XLen(ctx, logEntriesKey()).Uint64()
	return size, storeError("query the log", err)
}
