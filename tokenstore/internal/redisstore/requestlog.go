package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/usage"
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
	// appendLogFixed are the arguments of append_log before the blocks.
	appendLogFixed = 9
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
			s.logs.store(len(entries))
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
	var used usage.Tally
	args := make([]any, appendLogFixed, appendLogFixed+3*(len(entries)/blockEntries+1))
	block := blockWriter{replica: replica}
	for _, entry := range entries {
		if !settings.GetLogPrompts() || s.room.tight() { // of the former its gateway may not have heard yet
			entry.Prompt, entry.PromptCut = "", false
		}
		cutEntry(entry)
		counts.count(entry)
		used.Count(entry)
		if err := block.add(entry); err != nil {
			return 0, err
		}
		if block.full() {
			args = append(args, block.args(s)...)
		}
	}
	if block.count > 0 {
		args = append(args, block.args(s)...)
	}
	use, err := useOf(&used, s.useBounds)
	if err != nil {
		return 0, err
	}
	copy(args, []any{
		sequenceTTL.Milliseconds(), entries[0].GetSequence(), entries[len(entries)-1].GetSequence(),
		logMinutePrefix(), logMinute.ttl(), logHourPrefix(), logHour.ttl(), counts.text(), use,
	})
	round := s.logBatch()
	keys := []string{logEntriesKey(), logKeptKey(), promptOrderKey(), promptsKey(), promptBytesKey(), logSequenceKey(replica)}
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

// maxTrim bounds the blocks, and the prompts of blocks, that go at a time.
const maxTrim = 2000

func (s *Store) addTrim(round *batch, settings *tokenstorev1.Settings) *call {
	age := time.Duration(settings.GetLogRetentionHours()) * time.Hour
	prompts := 0
	if settings.GetLogPrompts() {
		prompts = 1
	}
	return round.add(trimLogScript, []string{logEntriesKey(), logKeptKey(), promptOrderKey(), promptsKey(), promptBytesKey()},
		settings.GetLogRetentionCount(), age.Milliseconds(), prompts, uint64(settings.GetLogPromptMb())<<20, s.room.release(), maxTrim)
}

// cutEntry cuts an entry's texts in place.
func cutEntry(entry *tokenstorev1.LogEntry) {
	for _, text := range [...]*string{&entry.Id, &entry.Model, &entry.ServedModel, &entry.Error, &entry.TokenAlias, &entry.KeyName, &entry.Dialect} {
		*text = cut(*text, maxLogText)
	}
	entry.ClientHeaders = cutHeaders(entry.GetClientHeaders())
	cutAttempts(entry)
	if len(entry.GetPrompt()) > maxPrompt {
		entry.Prompt, entry.PromptCut = cut(entry.GetPrompt(), maxPrompt), true
	}
}

// cutAttempts keeps of too many attempts the first and the last.
func cutAttempts(entry *tokenstorev1.LogEntry) {
	log := entry.GetAttemptLog()
	if n := len(log); n > maxLogAttempts {
		entry.AttemptLog = append(log[:maxLogAttempts-1:maxLogAttempts-1], log[n-1])
	}
	for _, each := range entry.GetAttemptLog() {
		for _, text := range [...]*string{&each.Upstream, &each.Model, &each.TokenAlias, &each.Class, &each.Rule, &each.Code, &each.Message, &each.Param} {
			*text = cut(*text, maxAttemptText)
		}
		each.SentHeaders, each.ReceivedHeaders = cutHeaders(each.GetSentHeaders()), cutHeaders(each.GetReceivedHeaders())
	}
}

// Bounds of the headers of an entry, in number and bytes.
const (
	maxLogHeaders  = 32
	maxHeaderName  = 64
	maxHeaderValue = 128
)

// cutHeaders keeps of too many headers the first, and of hidden ones no value.
func cutHeaders(headers []*tokenstorev1.LogHeader) []*tokenstorev1.LogHeader {
	headers = headers[:min(len(headers), maxLogHeaders)]
	for _, each := range headers {
		each.Name, each.Value = cut(each.GetName(), maxHeaderName), cut(each.GetValue(), maxHeaderValue)
		if each.GetHidden() {
			each.Value = ""
		}
	}
	return headers
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
