package redisstore

import (
	"strconv"

	"carousel.internal/tokenstore/internal/usage"
)

// Keys are built here and nowhere else. `c1` is the product and the schema's
// major version. The part in braces is the hash tag: everything that one script
// touches lives in one slot of a Redis Cluster. Ids are ours ([0-9a-z]); text of
// users is a hash field, never part of a key; names of upstreams and replicas are
// checked before they become one.
const (
	// directoryPrefix is of what spans pools. Schema 1 had all pools there, and looks
	// for its version there.
	directoryPrefix = "c1:{pool}:"
	configPrefix    = "c1:{config}:"
	logPrefix       = "c1:{log}:"
	fleetPrefix     = "c1:{fleet}:"
	oncePrefix      = "c1:{once}:"
	responsePrefix  = "c1:{response}:"
	clientKeyPrefix = "c1:{keys}:"
)

// poolPrefix is of what belongs to the pool of one upstream: a slot of its own, so
// that a Cluster spreads pools.
func poolPrefix(upstream string) string { return "c1:{pool:" + upstream + "}:" }

// SchemaVersion is what schemaKey holds; a store of another version is refused.
const SchemaVersion = "2"

// schemaKey is a string: SchemaVersion.
func schemaKey() string { return directoryPrefix + "schema" }

// instanceKey is a string: a random mark of the data, made with them and never taken
// away. Where it is gone, so are they.
func instanceKey() string { return configPrefix + "instance" }

// sealsKey is a hash of the id of each key that seals something to a check value: a
// constant that it has sealed. A key that opens it is the right one.
func sealsKey() string { return configPrefix + "seals" }

// rightsKeys are keys of one slot that are there only while rights.lua runs: two strings,
// a hash, a set, a sorted set, a stream and a list.
func rightsKeys(prefix string) []string {
	keys := make([]string, 7)
	for i := range keys {
		keys[i] = prefix + "rights:" + strconv.Itoa(i+1)
	}
	return keys
}

// The directory says what exists and where. directory.go tells how it and the pools
// are kept in step.

// directoryKey is a hash of token id to `<ver> <upstream> <fingerprint> <alias>`: where
// the token is, and what nobody else may have. ver is the token's when that was written;
// 0: the token is not there yet. One in the trash has no fingerprint and no alias.
func directoryKey() string { return directoryPrefix + "tokens" }

// createdKey is a sorted set of all token ids by time of creation, in µs. No two
// have the same, so a list is paged by it.
func createdKey() string { return directoryPrefix + "ids" }

// sizesKey is a hash of upstream to the number of its ids in createdKey.
func sizesKey() string { return directoryPrefix + "sizes" }

// claimsKey is a hash of token id to lines `<claim> <ms> <fingerprint> <alias>`: what is
// being done with it that spans slots, since when, and what it claims for the token.
func claimsKey() string { return directoryPrefix + "claims" }

// discardedKey is a sorted set of the ids of deleted tokens in directoryKey by the ms at
// which their trash expires.
func discardedKey() string { return directoryPrefix + "discarded" }

// aliasKey is a hash of alias to token id.
func aliasKey() string { return directoryPrefix + "alias" }

// fingerprintKey is a hash of `<upstream> <fingerprint>` to token id.
func fingerprintKey() string { return directoryPrefix + "fingerprint" }

// upstreamsKey is a hash of name to JSON of the contract's Upstream, without its
// version and with a signature: see upstreamrecord.go. It is in the directory's slot,
// because a token can't be without upstream.
func upstreamsKey() string { return directoryPrefix + "upstreams" }

// upstreamVersionsKey is a hash of upstream to version.
func upstreamVersionsKey() string { return directoryPrefix + "upstream_versions" }

// loginKey is the hash of one login on its way, which expires an hour after it began:
//
//	upstream alias token url uuid   as it was asked for; token is the one that it is for,
//	            and when it is done the one that it has made or renewed
//	verifier proxy   sealed; proxy may be empty
//	state       a number of the contract's LoginState, and detail why it failed
//	created expires   ms
//	polling     epoch of the poll that is in hand, or was last
//	polls       polls in vain, and stumbles those in a row that found nothing out
func loginKey(id string) string { return loginKeyPrefix() + id }

func loginKeyPrefix() string { return directoryPrefix + "login:" }

// loginsKey is a sorted set of the ids of logins by ms of creation.
func loginsKey() string { return directoryPrefix + "logins" }

// pollsKey is a sorted set of the ids of logins that wait for a person by when the next poll
// is due, in ms; in hand, by when the errand goes to the next caller.
func pollsKey() string { return directoryPrefix + "polls" }

// pollEpochKey is a string: the last epoch of a poll, about the time in µs.
func pollEpochKey() string { return directoryPrefix + "poll_epoch" }

// poolIDsKey is a sorted set of a pool's token ids by time of creation, in µs.
func poolIDsKey(upstream string) string { return poolPrefix(upstream) + "ids" }

// rowsKey is a hash of token id to what lists choose and sort it by but for its counts, and
// countsKey a hash of token id to its counts: see lua/parts/rows.lua. All of it is in the token's
// hash, too.
func rowsKey(upstream string) string { return poolPrefix(upstream) + "rows" }

func countsKey(upstream string) string { return poolPrefix(upstream) + "counts" }

// namesKey is a hash of alias to token id, of one pool.
func namesKey(upstream string) string { return poolPrefix(upstream) + "names" }

// lapsedKey is a sorted set of claims of claimsKey that were given up, by the ms at which
// that is forgotten: a write that comes late must not be carried out any more. It expires
// with the last.
func lapsedKey(upstream string) string { return poolPrefix(upstream) + "lapsed" }

// tokenKey is the hash of one token:
//
//	rec         JSON of record: what no script reads; the secret in it is sealed
//	ver         version of what an admin edits, raised by each edit, by the deletion and
//	            by a restoration
//	epoch       raised by each change that recalls leases
//	upstream    name of the pool
//	alias       may be empty
//	fingerprint keyed hash of the secret
//	created     µs, its score in ids
//	enabled     1 or 0, the admin's switch
//	disabled_until   ms at which a disabled one is enabled by itself; absent: an admin does it
//	cap weight  whole numbers; cap 0 is unlimited
//	expires     ms, 0 for never; of a token that is renewed, renewableShift behind the end
//	            of its access token, and 1 while it has none
//	cooling     ms until which it is not picked, 0 for not
//	rest        ms for which it cools: what cooling was reckoned from
//	cause       class of the outcome that made it cool or parked it last
//	streak      failures of that class in a row that made it cool
//	phase       absent: open; `new`: in quarantine; a number: being probed, with so
//	            many requests at a time; `parked`
//	m:<model>   `<ms> <streak>` until which it is not picked for that model, and how
//	            often in a row it has cooled for it; while it is probed also the
//	            probe's lease, `<ms> <streak> <lease id>`
//	due         only while it is set aside for want of room: the score that it comes
//	            back with
//	requests failures last_used last_error   counters and evidence
//	group       that of the token at its upstream, as an answer told: see groupKey
//	account     sealed protobuf TokenAccount: what the upstream told last
//	resets      ms at which the quota of the account begins anew, where that is known
//	renewable   1: access tokens are had anew
//	access      sealed access token, and access_ends the ms at which it ends
//	refresh     sealed refresh token; a user's key has none, it is the key itself
//	former      sealed refresh token before that one, from former_since, in ms, until a
//	            request with a later access token has succeeded
//	grants      how often access was replaced
//	refreshed refresh_at refresh_tries refresh_error   ms of the last refresh and of the
//	            next, failed ones since, and why the last one has failed
//	needs_login 1: the upstream refuses to refresh it
//	refreshing asking   epoch of the refresh, or the question for the account, that is in
//	            hand, or was last
//	holder held held_until held_grants   the replica that has it in reserve, with how many
//	            slots, which are in inflight too, until when, in ms, and grants as it was
//	lent        the ms until which gateways may have slots of it that no request uses
func tokenKey(upstream, id string) string { return tokenKeyPrefix(upstream) + id }

// tokenKeyPrefix is for scripts that find ids as they run; its hash tag keeps
// them in their slot.
func tokenKeyPrefix(upstream string) string { return poolPrefix(upstream) + "token:" }

// trashKey is the hash of a deleted token, as it was. It expires trashTTL after the
// deletion.
func trashKey(upstream, id string) string { return poolPrefix(upstream) + "trash:" + id }

// inflightKey is a sorted set of a token's open leases by expiry, in ms, and of the
// slots that a replica holds in reserve, `hold-<n>`. Expired ones stay for an hour, because
// their reports may come late.
func inflightKey(upstream, id string) string { return inflightKeyPrefix(upstream) + id }

func inflightKeyPrefix(upstream string) string { return poolPrefix(upstream) + "inflight:" }

// orderKey is a sorted set of an upstream's token ids by rotation score: the
// virtual time at which each is due.
//
// A token that cools is in coolingKey instead, as is one that stays at its cap
// while others are picked. One that is disabled or parked, or that an acquire finds
// expired, is in neither, until an edit puts it back.
func orderKey(upstream string) string { return poolPrefix(upstream) + "order" }

// coolingKey is a sorted set of the token ids of an upstream that are not in
// orderKey, by the time, in ms, at which they are back there: the end of the
// cooling; for one at its cap the expiry of its first lease, should that not end
// before.
func coolingKey(upstream string) string { return poolPrefix(upstream) + "cooling" }

// ringKey is a sorted set of token ids by their point of a ring, on which the keys of
// conversations find them. All that are in orderKey are on it, once it is built; one that is
// not any more is dropped when it is met.
func ringKey(upstream string) string { return poolPrefix(upstream) + "ring" }

// groupKey is a set of the ids of tokens that share limits at their upstream, at most
// rotation.MaxGroup of them. Its name is made of digits and letters by the gateway's driver.
func groupKey(upstream, group string) string { return poolPrefix(upstream) + "group:" + group }

// leasesKey is a sorted set of `<token id> <lease id>` of all open leases of a pool by
// expiry, in ms: what is in inflightKey of its tokens, but for slots in reserve.
func leasesKey(upstream string) string { return poolPrefix(upstream) + "leases" }

// expiredKey is a sorted set of token ids by their expiry, in ms, once that was noticed.
func expiredKey(upstream string) string { return poolPrefix(upstream) + "expired" }

// refreshesKey is a sorted set of the ids of tokens that are renewed by when that is due, in
// ms; in hand, by when the errand goes to the next caller. Those that need a login are not
// in it.
func refreshesKey(upstream string) string { return poolPrefix(upstream) + "refreshes" }

// questionsKey is the same for questions about the accounts behind tokens. It is built by
// those who take errands, where the upstream answers such questions.
func questionsKey(upstream string) string { return poolPrefix(upstream) + "questions" }

// disabledUntilKey is a sorted set of the ids of disabled tokens by when they are enabled by
// themselves, in ms. The others are not in it.
func disabledUntilKey(upstream string) string { return poolPrefix(upstream) + "disabled_until" }

// What only the parts of scripts name, in a pool's slot:
//
//	standing    sorted set of token ids by what they are: 1 disabled, 2 parked, 3 expired,
//	            4 in quarantine, 5 probed or to be probed after its cooling, 6 open
//	rests       sorted set of token ids by the end of their cooling, in ms; it may have ended
//	ends        sorted set of token ids by their expiry, in ms, while it is ahead
//	accesses    the same of tokens that are renewed
//	unlogged    set of the ids of parked tokens that need a login
//	marked      sorted set of the ids of tokens that cool, or are to be probed, for some model,
//	            by when the last of that ends, in ms; it may be over. It expires some time
//	            after the last
//	held        sorted set of the ids of tokens of which slots are held in reserve, by until
//	            when, in ms
//	stirred     set of the ids of tokens that have come into the order, or have other leases
//	            than before, since the order of another strategy was looked at
//	rank        hash of which strategy the order is of, and up to which creation, in µs, it
//	            is built
//	rank:load rank:fill   sorted sets of token ids by leases for their weight, and by expiry
//	rank:load:<load>   sorted set of the ids of one load by score

// holdersKey is a hash of replica to `<ms at which it was heard last> <instance>`, for
// those that may hold tokens of the upstream in reserve.
func holdersKey(upstream string) string { return poolPrefix(upstream) + "holders" }

// holdsKey is a set of the ids of the upstream's tokens that a replica holds in reserve.
func holdsKey(upstream, replica string) string { return holdsKeyPrefix(upstream) + replica }

func holdsKeyPrefix(upstream string) string { return poolPrefix(upstream) + "holds:" }

// reconciledKey is a string: the highest number of a replica's reports of requests
// that its reserve served with tokens of the upstream. It expires some days after the
// last.
func reconciledKey(upstream, replica string) string {
	return poolPrefix(upstream) + "reconciled:" + replica
}

// clockKey is a hash: `at` the virtual time, the score of the last pick. A token that
// joins or comes back starts there, so it neither catches up nor waits. `guard` is the
// time, in ms, until which windowKey or causesKey may exist: who takes or ends leases
// looks at them only before. `errand` is the last epoch of an errand, about the time in µs,
// `questions` how far questionsKey is built, `asked` the ms of the last question. `ring` is
// how far ringKey is built: up to which creation of a token, in µs, or `whole`. `lent` is the ms
// until which gateways may have slots that no request uses.
func clockKey(upstream string) string { return poolPrefix(upstream) + "clock" }

// historyKey is a stream of what happened to a token by itself, and was undone: kind,
// class, model and what led to it; phase, streak and cause are the token's before.
// The last keepTransitions are kept.
func historyKey(upstream, id string) string { return poolPrefix(upstream) + "history:" + id }

// eventsKey is a stream of what happened to the pool's tokens by itself, and was taken back: the
// token's id, kind, class and model (empty where it has none), and of some until, request and by.
// lua/parts/tell.lua says how many are kept.
func eventsKey(upstream string) string { return poolPrefix(upstream) + "events" }

// windowKey is a hash of what was seen of an upstream since the first of its recent
// failures: `from` ms; `failed <class> <model>` how many tokens, `token <class>
// <model> <token id>` which; `request <class> <model>` the first request; `well
// <model>` how many tokens served, `well <model> <token id>` which. It expires
// guardWindow after the first failure.
func windowKey(upstream string) string { return poolPrefix(upstream) + "window" }

// causesKey is a hash of what an upstream's tokens fail for alike, `<class> <model>`
// to `<since> <began> <ends> <failures> <allow> <left>`: since and began, ends of the
// present step in ms; failed steps in a row; requests let out in the step, and how
// many of them are left. `calm <ms>`: it is over, and not seen again until then.
func causesKey(upstream string) string { return poolPrefix(upstream) + "causes" }

// acknowledgedKey is a hash of the causes that somebody knows of, `<class> <model>` to
// `<since> <ms>`: the cause's since, and when that was noted. It expires a day after the last.
func acknowledgedKey(upstream string) string { return poolPrefix(upstream) + "acknowledged" }

// wrongedKey is a list of tokens of an upstream that were blamed for a cause which they
// share, in JSON as guard.lua writes it: what was done to them is to be undone. It expires
// a day after the last.
func wrongedKey(upstream string) string { return poolPrefix(upstream) + "wronged" }

// settingsKey is a hash: `s:<name>` text of a setting that an admin has stored,
// `c:<name or path>` `<ms> <actor>` of the last change of a setting or a page, `p:<name>`
// `<ms> <value>` of the value before it, and the ms alone where the default held,
// `ver`, `updated` ms.
func settingsKey() string { return configPrefix + "settings" }

// pagesKey is a hash of path to `text` or `html`, a line's end, and the content:
// what an admin serves in place of a built-in page. The version in settingsKey is
// theirs too; they are apart, because settings are read far more often.
func pagesKey() string { return configPrefix + "pages" }

// routesKey is a hash of name to JSON of the contract's Route, without its version.
func routesKey() string { return configPrefix + "routes" }

// routeVersionsKey is a hash of route to version.
func routeVersionsKey() string { return configPrefix + "route_versions" }

// routeMatchesKey is a hash of what a route matches to its name: no two match the same.
func routeMatchesKey() string { return configPrefix + "route_matches" }

// pricesKey is a hash: `rec` protobuf Prices with nothing but its prices, `ver`, `updated` ms.
func pricesKey() string { return configPrefix + "prices" }

// revokedKey is a sorted set of page sessions that are invalid before their
// time, by their end in ms. It expires with the last of them.
func revokedKey() string { return configPrefix + "revoked" }

// auditKey is a stream of what admins did: `e` protobuf AuditEntry without its time.
func auditKey() string { return configPrefix + "audit" }

// auditUndoKey is a stream of what undoes them: `r` the request's id, `u` protobuf
// AuditUndo.
func auditUndoKey() string { return configPrefix + "audit-undo" }

// adminTokenKey is a string: SHA-256 of the generated admin token, in hex, and after a
// space its signature: see admintoken.go.
func adminTokenKey() string { return configPrefix + "admin_token" }

// destinationsKey is a hash of id to a destination of notifications, sealed: see destinations.go.
// All that is of notifications is in one slot.
func destinationsKey() string { return configPrefix + "destinations" }

// destinationVersionsKey is a hash of destination to version.
func destinationVersionsKey() string { return configPrefix + "destination_versions" }

// silencesKey is a sorted set of protojson Silence by the ms at which it ends. Those that have are
// in it until the next one begins.
func silencesKey() string { return configPrefix + "silences" }

// alertBoardKey is a string: JSON of notify.Board, which is bounded there.
func alertBoardKey() string { return configPrefix + "alerts" }

// alertLeaderKey is a hash: `name` of the tokenstore that judges alerts, `term` raised by each
// other one, `until` ms.
func alertLeaderKey() string { return configPrefix + "alert_leader" }

// deliveriesKey is a hash of what destinations are being told, one delivery each at most: `d:<id>`
// JSON of notify.Delivery, `n:<id>` how often it was taken.
func deliveriesKey() string { return configPrefix + "deliveries" }

// deliveriesDueKey is a sorted set of the destinations that have a delivery, by the ms at which it
// is due; taken, by when it goes to the next caller.
func deliveriesDueKey() string { return configPrefix + "deliveries_due" }

// deliveryLogKey is a stream of attempts at deliveries: `e` protobuf Delivery without its time.
func deliveryLogKey() string { return configPrefix + "delivery_log" }

// importedKey is a hash of a token file's path to the fingerprint of the content
// that was applied or written last.
func importedKey() string { return configPrefix + "imported" }

// listedKey is a hash: `shown` and `written` are the ids of tokens, with spaces
// between, that the token list had when it was last asked for, and when its file was
// last written.
func listedKey() string { return configPrefix + "listed" }

// logEntriesKey is a stream of the request log's entries without their prompts. An item is a block
// of up to 64 that were stored together: `n` how many, `b` a list compressed by S2, of the
// replica's name and of each entry as protobuf LogEntry, each with its length in front as a varint.
// Data of schema 1 has an item an entry, `e` protobuf LogEntry, which goes on being read.
func logEntriesKey() string { return logPrefix + "entries" }

// logKeptKey is a hash: `size` how many entries the stream has, `gone` how many of them, in its
// oldest block, are no longer kept.
func logKeptKey() string { return logPrefix + "kept" }

// logSchemaKey is a string: LogSchemaVersion.
func logSchemaKey() string { return logPrefix + "schema" }

// legacyPromptsKey is a stream in which the sealed prompts were before they were bounded:
// `p`, under the id of its entry.
func legacyPromptsKey() string { return logPrefix + "prompts" }

// promptOrderKey is a stream of the ids of the blocks that have prompts.
func promptOrderKey() string { return logPrefix + "prompt_order" }

// promptBytesKey is a string: how many bytes the prompts have.
func promptBytesKey() string { return logPrefix + "prompt_bytes" }

// promptsKey is a hash of a block's id to the list of its entries' prompts, or the one prompt of an
// item that is no block, sealed. A letter in front tells how what is sealed is compressed: `s` by
// S2, `z` by DEFLATE. They are apart, so that entries are read without them.
func promptsKey() string { return logPrefix + "prompt_texts" }

// logSequenceKey is a string: the highest sequence stored of a replica. It expires
// some days after the replica's last batch.
func logSequenceKey(replica string) string { return logPrefix + "sequence:" + replica }

// logMinutePrefix begins the keys of the log's counters: a hash of the requests
// that were stored in a minute, whose number since 1970 ends the key. `n`
// requests, `x` failures, `p` and `c` tokens of prompts and completions; `t<k>` and
// `f<k>` requests whose whole answer, or its first byte, took as long as bucket k
// of latency.Histogram. It expires.
func logMinutePrefix() string { return logPrefix + "minute:" }

// logHourPrefix is logMinutePrefix for hours.
func logHourPrefix() string { return logPrefix + "hour:" }

// useKey is a hash of what the requests used that were stored in a unit of time, whose number
// since 1970 ends the key: a key's or a token's id, an upstream and a model, with line ends
// between, to sums as usage.Sums writes them. It expires.
func useKey(table usage.Table, step usage.Step) string {
	return useKeyPrefix(table, step.Unit) + strconv.FormatInt(step.Start.Unix()/int64(step.Unit.Length.Seconds()), 10)
}

func useKeyPrefix(table usage.Table, unit usage.Unit) string {
	return logPrefix + "use:" + string(table) + ":" + unit.Name + ":"
}

// fleetReplicasKey is a hash of a running gateway's name to the ms of its last
// beat, a space, and protobuf Replica.
func fleetReplicasKey() string { return fleetPrefix + "replicas" }

// fleetTotalsKey is a hash: `requests` that all gateways have ever counted, `started`
// µs at which the first of all started.
func fleetTotalsKey() string { return fleetPrefix + "totals" }

// fleetCountedKey is a string: the requests of a gateway that are in the totals.
// It expires some days after the gateway's last beat.
func fleetCountedKey(replica string) string { return fleetPrefix + "counted:" + replica }

// fleetGivenUpKey is a sorted set: ids of calls whose answers are no longer to be kept open, by
// the ms at which a gateway said so. It expires ten seconds after the last.
func fleetGivenUpKey() string { return fleetPrefix + "given-up" }

// onceAnswerKey is the hash of an idempotency key, by its hash in hex: `request` hash of
// the request's body, `owner` who answers it, and when that is done `answer` sealed
// protobuf RememberedAnswer. It expires.
func onceAnswerKey(hash string) string { return onceAnswerPrefix() + hash }

func onceAnswerPrefix() string { return oncePrefix + "answer:" }

// onceIndexKey is a sorted set of the answers that are remembered, `<hash> <bytes>`, by
// the ms at which they expire.
func onceIndexKey() string { return oncePrefix + "index" }

// onceBytesKey is a string: how many bytes the remembered answers have.
func onceBytesKey() string { return oncePrefix + "bytes" }

// responseKey is a string: an answer that a client may go on with, protobuf StoredResponse,
// sealed as a prompt is, by the digest of its id and its owner in hex. It expires.
func responseKey(digest string) string { return responseKeyPrefix() + digest }

func responseKeyPrefix() string { return responsePrefix + "answer:" }

// responseIndexKey is a sorted set of the digests of the kept answers by the ms at which they
// were kept; those that have expired since are in it until the next put.
func responseIndexKey() string { return responsePrefix + "index" }

// responseSizesKey is a hash of digest to the bytes that are counted for the answer.
func responseSizesKey() string { return responsePrefix + "sizes" }

// responseBytesKey is a string: the sum of responseSizesKey.
func responseBytesKey() string { return responsePrefix + "bytes" }

// responseKeys are those in which kept answers are counted, as scripts take them.
func responseKeys() []string {
	return []string{responseIndexKey(), responseSizesKey(), responseBytesKey()}
}

// clientKeyKey is the hash of a key that clients send:
//
//	rec         protobuf ClientKey, of what admins say of it
//	ver number  its version, and the mark of its creation, by which keys are listed
//	created updated deleted   ms; deleted only where it is
//	secret masked   SHA-256 of the secret in hex, and what may be shown of it
//	old_secret old_until   SHA-256 of the secret before, and until when that goes on, in ms
//
// It expires clientKeyTrashTTL after the key was deleted.
func clientKeyKey(id string) string { return clientKeyKeyPrefix() + id }

func clientKeyKeyPrefix() string { return clientKeyPrefix + "key:" }

// clientKeyIDsKey is a sorted set of the ids of all client keys that are not deleted, by number.
func clientKeyIDsKey() string { return clientKeyPrefix + "ids" }

// clientKeyChangesKey is a sorted set of the ids of client keys, also deleted ones, by the mark
// of their last change: whoever knows all up to a mark reads what is above it.
func clientKeyChangesKey() string { return clientKeyPrefix + "changes" }

// clientKeyMarkKey is a string: the highest mark of a change, about the time in µs.
func clientKeyMarkKey() string { return clientKeyPrefix + "mark" }

// clientKeyTrashKey is a sorted set of the ids of deleted client keys by the ms until which they
// can be restored. Those that can't are in it, and in clientKeyChangesKey, until a later change.
func clientKeyTrashKey() string { return clientKeyPrefix + "trash" }

// keyPrefix is of what belongs to one client key: a slot of its own, so that a Cluster spreads
// keys.
func keyPrefix(id string) string { return "c1:{key:" + id + "}:" }

// ledgerKey is a hash of what a client key's limits have counted, by unit and period: `<unit>
// minute` to `<second> <used>` for each of the last seconds, with spaces between; `<unit>
// day`, `week`, `month` and `total` to `<ms of the period's end, or 0> <used>`. `wanted` is the
// ms until which nothing is granted ahead of requests. It is there as long as the key is;
// `forgotten` is in it, and it expires, when that was deleted.
func ledgerKey(id string) string { return keyPrefix(id) + "ledger" }

// booksKey is a hash of the books of gateways that have some of a client key set aside, or had
// lately: name to sequence, ms of expiry, and four amounts each (requests, tokens, cost, requests
// at a time) of what it has spent, was granted and holds. It expires when all of them have
// lapsed for as long as lapsedBooksKey's.
func booksKey(id string) string { return keyPrefix(id) + "books" }

// lapsedBooksKey is the same of books that have been silent for too long: what they held is free.
// It expires an hour after the last.
func lapsedBooksKey(id string) string { return keyPrefix(id) + "lapsed" }

// barrierKey is a counter that a Barrier writes to learn when what was written before
// is on disk. The first numbers are in the slots of what must last; the others, of which there
// are more than servers, are spread over all slots of a Cluster.
func barrierKey(n int) string {
	if groups := [...]string{directoryPrefix, configPrefix, logPrefix, clientKeyPrefix}; n < len(groups) {
		return groups[n] + "barrier"
	}
	return "c1:{barrier:" + strconv.Itoa(n) + "}:barrier"
}

// Channels of publish/subscribe. Every tokenstore listens to both.
const (
	// poolChannel carries `recall <token id> <epoch>`, `freed <upstream>`, `wanted
	// <upstream>`, `waiting <upstream> <desk> <ms>`, `key <key id>`, where that was changed, and
	// `keywanted <key id>`.
	poolChannel = directoryPrefix + "changed"
	// configChannel carries `changed`.
	configChannel = configPrefix + "changed"
)
