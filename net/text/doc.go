// Package text turns text into token ids, which models over text are fed with, and ids into text.
//
// Begin with [Open], which reads the tokenizer.json of Hugging Face or the vocab.txt of BERT; with
// [TrainBPE] or [TrainWordPiece], which learn a vocabulary from texts; or with [NewBytes], which
// needs none. All give a [Tokenizer]. [Sample] makes of one text or two the ids of a sample, with
// the special tokens around them and cut to a length. [Save] and [Marshal] write any of these
// tokenizers as a tokenizer.json, which Hugging Face's libraries read as well.
//
//	tok, err := text.Open("bert-base-uncased/vocab.txt")
//	ids, segments, cut, err := text.Sample(tok, nil, nil, "A text.", "", 128)
//
// # Equal to Hugging Face's
//
// Ids equal those of Hugging Face's tokenizers 0.22, which tests compare on every sentence of the
// Brown corpus, on every character and on every setting that we read. Exceptions are characters
// that came after Unicode 15, whose classes Go doesn't know yet; U+11938, which that library
// doesn't decompose; and, where a file asks for a normal form, more than 30 combining marks in a
// row. The merges that are learned equal those of its trainer as well, as long as a pair occurs
// twice.
//
// As there, the name of a special token that stands in a text, such as [MASK], becomes that token.
//
// # Text that is not UTF-8
//
// [WordPiece] reads each byte that isn't part of valid UTF-8 as U+FFFD, which BERT's cleaning
// removes. [BPE] and [Bytes] keep such bytes, and decode to the same ones. The empty text has no
// tokens.
//
// # Why not a library
//
// Normalization is golang.org/x/text's. For the rest we looked at
// github.com/gomlx/go-huggingface 0.3, which has SentencePiece alone; at zerfoo/ztoken and
// mattn/tensai, which have no WordPiece; at daulet/tokenizers, which needs cgo and a library in
// Rust; and at sugarme/tokenizer 0.3, which has all that is here, but encodes less than a tenth of
// a megabyte a second where this package encodes 40, and gave one in 8000 sentences other ids.
package text
