// Package rawjson reads JSON text in one pass and writes JSON strings, without
// building trees: dialects and drivers find the few values that they need and
// leave every other byte as it came. It accepts and refuses what encoding/json
// does, except that nesting is bounded far lower. It knows nothing of what the
// JSON means.
package rawjson
