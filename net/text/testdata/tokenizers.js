// Runs requests of the tests through Hugging Face's tokenizers:
// node tokenizers.js MODULE < REQUESTS. They are a JSON array of objects, whose field "do" says what
// to do. The answers go to stdout.
const hf = require(process.argv[2]);
const fs = require("fs");

async function answer(r) {
  switch (r.do) {
    // The ids of texts by a tokenizer.json, and what they decode to. pairs has second texts.
    case "encode": {
      const tok = hf.Tokenizer.fromFile(r.file);
      if (r.most) tok.setTruncation(r.most, {});
      const options = { addSpecialTokens: r.special };
      const encoded = r.pairs
        ? await Promise.all(r.texts.map((text, i) => tok.encode(text, r.pairs[i], options)))
        : await tok.encodeBatch(r.texts, options);
      const ids = encoded.map((e) => e.getIds());
      const segments = r.special ? encoded.map((e) => e.getTypeIds()) : [];
      const texts = r.decode ? await tok.decodeBatch(ids, false) : [];
      return { ids, segments, texts };
    }
    // What normalizers and pre-tokenizers make of a text.
    case "pieces": {
      const normalizers = r.options.map((o) => hf.bertNormalizer(o));
      const bert = hf.bertPreTokenizer(), bytes = hf.byteLevelPreTokenizer(false, true);
      const pieces = (p) => p.preTokenizeString(r.texts[0]).map((piece) => piece[0]);
      return {
        normalized: normalizers.map((n) => n.normalizeString(r.texts[0])),
        bert: pieces(bert),
        bytes: pieces(bytes),
      };
    }
    // A tokenizer.json of the library's own, trained on a file of text.
    case "train": {
      const bpe = r.model == "BPE";
      const tok = new hf.Tokenizer(bpe ? hf.BPE.empty() : hf.WordPiece.empty());
      if (bpe) {
        tok.setPreTokenizer(hf.byteLevelPreTokenizer(false, true));
      } else {
        tok.setNormalizer(hf.bertNormalizer());
        tok.setPreTokenizer(hf.bertPreTokenizer());
        tok.setDecoder(hf.wordPieceDecoder());
      }
      tok.train([r.file]);
      tok.save(r.out);
      // What the package has no function for.
      const file = JSON.parse(fs.readFileSync(r.out, "utf8"));
      if (bpe) file.decoder = file.pre_tokenizer;
      else file.model.vocab["[UNK]"] = Object.keys(file.model.vocab).length;
      fs.writeFileSync(r.out, JSON.stringify(file));
      return {};
    }
  }
  throw new Error("unknown request " + r.do);
}

// Requests are answered one after the other.
(async () => {
  const answers = [];
  for (const r of JSON.parse(fs.readFileSync(0, "utf8"))) answers.push(await answer(r));
  fs.writeFileSync(1, JSON.stringify(answers));
})().catch((e) => { console.error(e.message); process.exit(1); });
