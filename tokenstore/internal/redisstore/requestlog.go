package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var (
	appendLogScript = newScript("append_log")
	trimLogScript   = newScript("trim_log")
)

const (
	// sequenceTTL is how long a replica may be silent and still repeat a batch.
	sequenceTTL = 7 * 24 * time.Hour
	// maxBatch bounds the entries of one append.
	maxBatch = 2000
	// appendLogFixed are the arguments of append_log before the entries.
	appendLogFixed = 8
	// maxLogText and maxPrompt bound an entry's texts, in bytes; longer ones are cut.
	maxLogText = 2 << 10
	maxPrompt  = 64 << 10
	// maxLogAttempts and maxAttemptText bound what is kept of an entry's attempts.
	maxLogAttempts = 16
	maxAttemptText = 512
)

var replicaForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

var errReplica = errors.New("replica: 1 to 128 letters, digits, `.`, `_` and `-`")

// AppendLog stores a replica's entries that it has not stored before, and
// answers how many those are when they are on disk. It takes the entries over.
func (s *Store) AppendLog(ctx context.Context, replica string, entries []*tokenstorev1.LogEntry) (int, error) {
	if err := s.logFence.check(ctx); err != nil {
		return 0, err
	}
	if err := s.room.accepts(); err != nil {
		_ = s.TrimLog(ctx) // the prompts that can go make room for the next try
		return 0, err
	}
	if !replicaForm.MatchString(replica) {
		return 0, invalid(errReplica)
	}
	if len(entries) > maxBatch {
		return 0, invalid(fmt.Errorf("entries: at most %d", maxBatch))
	}
	if err := ascend(entries); err != nil {
		return 0, invalid(err)
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return 0, err
	}
	for len(entries) > 0 {
		known, err := s.appendNew(ctx, replica, entries, settings)
		if err != nil {
			return 0, err
		}
		if known == 0 {
			break
		}
		entries = slices.DeleteFunc(entries, func(entry *tokenstorev1.LogEntry) bool { return entry.GetSequence() <= known })
	}
	return len(entries), s.logBarrier.Sync(ctx) // a repeated batch, too, is acknowledged only from disk
}

func ascend(entries []*tokenstorev1.LogEntry) error {
	var last uint64
	for _, entry := range entries {
		if entry.GetSequence() <= last {
			return errors.New("entries: sequences ascend, from 1")
		}
		last = entry.GetSequence()
	}
	return nil
}

// appendNew stores the entries, of which there is at least one, if none of them has
// been stored before; else it answers the last sequence that has.
func (s *Store) appendNew(ctx context.Context, replica string, entries []*tokenstorev1.LogEntry, settings *tokenstorev1.Settings) (known uint64, err error) {
	var counts summary
	args := make([]any, appendLogFixed, appendLogFixed+2*len(entries))
	for _, entry := range entries {
		if !settings.GetLogPrompts() || s.room.tight() { // of the former its gateway may not have heard yet
			entry.Prompt, entry.PromptCut = "", false
		}
		record, prompt, err := s.encodeEntry(replica, entry)
		if err != nil {
			return 0, err
		}
		counts.count(entry)
		args = append(args, record, prompt)
	}
	copy(args, []any{
		sequenceTTL.Milliseconds(), entries[0].GetSequence(), entries[len(entries)-1].GetSequence(),
		logMinutePrefix(), logMinute.ttl(), logHourPrefix(), logHour.ttl(), counts.text(),
	})
	round := s.logBatch()
	keys := []string{logEntriesKey(), promptOrderKey(), promptsKey(), promptBytesKey(), logSequenceKey(replica)}
	answer := round.add(appendLogScript, keys, args...)
	s.addTrim(round, settings)
	if err := round.exec(ctx); err != nil {
		return 0, storeError("append to the log", err)
	}
	return answer.reply.Uint64()
}

// logBatch starts a round trip of several scripts of the log.
func (s *Store) logBatch() *batch { return &batch{client: s.logClient} }

// TrimLog forgets what the settings say is to be kept no longer.
func (s *Store) TrimLog(ctx context.Context) error {
	if err := s.logFence.check(ctx); err != nil {
		return err
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return err
	}
	for more := true; more; {
		round := s.logBatch()
		trim := s.addTrim(round, settings)
		if err := round.exec(ctx); err != nil {
			return storeError("trim the log", err)
		}
		if more, err = trim.reply.Bool(); err != nil {
			return storeError("trim the log", err)
		}
	}
	return nil
}

// maxTrim bounds the prompts that go at a time.
const maxTrim = 2000

func (s *Store) addTrim(round *batch, settings *tokenstorev1.Settings) *call {
	age := time.Duration(settings.GetLogRetentionHours()) * time.Hour
	prompts := 0
	if settings.GetLogPrompts() {
		prompts = 1
	}
	return round.add(trimLogScript, []string{logEntriesKey(), promptOrderKey(), promptsKey(), promptBytesKey()},
		settings.GetLogRetentionCount(), age.Milliseconds(), prompts, uint64(settings.GetLogPromptMb())<<20, s.room.release(), maxTrim)
}

// encodeEntry returns the entry without its prompt, and the prompt sealed. It
// completes the entry and cuts its texts in place.
func (s *Store) encodeEntry(replica string, entry *tokenstorev1.LogEntry) (record, prompt []byte, err error) {
	for _, text := range []*string{&entry.Id, &entry.Model, &entry.Error, &entry.TokenAlias, &entry.Dialect} {
		*text = cut(*text, maxLogText)
	}
	cutAttempts(entry)
	if len(entry.GetPrompt()) > maxPrompt {
		entry.Prompt, entry.PromptCut = cut(entry.GetPrompt(), maxPrompt), true
	}
	text := entry.GetPrompt()
	entry.Replica, entry.Prompt = replica, ""
	record, err = proto.Marshal(entry)
	entry.Prompt = text
	if err != nil {
		return nil, nil, fmt.Errorf("log entry: %w", err)
	}
	if text != "" {
		prompt = s.sealPacked(text, promptBinding(entry))
	}
	return record, prompt, nil
}

// cutAttempts keeps of too many attempts the first and the last.
func cutAttempts(entry *tokenstorev1.LogEntry) {
	log := entry.GetAttemptLog()
	if n := len(log); n > maxLogAttempts {
		entry.AttemptLog = append(log[:maxLogAttempts-1:maxLogAttempts-1], log[n-1])
	}
	for _, each := range entry.GetAttemptLog() {
		for _, text := range []*string{&each.Upstream, &each.Model, &each.TokenAlias, &each.Class, &each.Rule, &each.Code, &each.Message, &each.Param} {
			*text = cut(*text, maxAttemptText)
		}
	}
}

// decodeEntry undoes encodeEntry. What can't be read says so in its place: the
// rest is still worth reading.
func (s *Store) decodeEntry(record, sealed string) *tokenstorev1.LogEntry {
	entry := &tokenstorev1.LogEntry{}
	if err := proto.Unmarshal([]byte(record), entry); err != nil {
		return &tokenstorev1.LogEntry{Error: "[this entry is damaged: " + err.Error() + "]"}
	}
	if sealed == "" {
		return entry
	}
	prompt, err := s.openPacked(sealed, promptBinding(entry), maxPrompt)
	if err != nil { // its key is gone
		prompt = "[" + err.Error() + "]"
	}
	entry.Prompt = prompt
	return entry
}

func promptBinding(entry *tokenstorev1.LogEntry) string {
	return "prompt " + entry.GetReplica() + " " + strconv.FormatUint(entry.GetSequence(), 10)
}

// cut shortens text to limit bytes, between characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && text[limit]&0xC0 == 0x80 { // in the middle of a character
		limit--
	}
	return text[:limit]
}
