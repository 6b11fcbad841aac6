// SPDX-License-Identifier: MIT
// Plants mutants in a copy of the library's headers: small faults that sleep until the program is told to wake one
// (mutants.hpp). So the tests of a room are compiled once for all of its mutants, not once for each.
//   plant_mutants --tree DIR --list FILE [--count N] [--seed S] [--drop FILE] HEADER...
// HEADERs are paths within DIR, which is changed in place, line for line; the file after --drop has the numbers of
// mutants that do not compile. The list has a line a mutant, with tabs between: number, file, first and last line of
// what stands there twice, line, kind, what is replaced, by what, the source line.
//
// It knows C++ as far as it has to, and only as clang-format writes it: a mutant lives in a condition of if, while or
// for, in what is returned, in an initialiser after `=`, or in a statement that is an expression.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Token {
  enum class Kind { word, number, text, sign };
  Kind kind;
  std::string text;
  std::size_t begin, end;  // in the file
  std::size_t line;
};

// A stretch of tokens that can be there twice.
struct Region {
  enum class Kind { condition, loop, value, statement };
  Kind kind;
  std::size_t first, last;  // tokens, `last` not included; a statement's includes its semicolon
};

// One token, or some that follow each other, is replaced.
struct Mutation {
  std::string kind;
  std::size_t first, last;
  std::string by;
};

struct Mutant {
  std::string file;
  std::size_t region;
  Mutation mutation;
  double rank = 0;  // the lowest are planted
  int number = 0;
};

struct Source {
  std::string text;
  std::vector<Token> tokens;
  std::vector<Region> regions;
};

bool one_of(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in.good()) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Comments and preprocessor lines are left out; a preprocessor line ends a statement.
class Lexer {
 public:
  explicit Lexer(const std::string& text) : text_(text) {}

  std::vector<Token> tokens() {
    while (at_ < text_.size()) next();
    return std::move(tokens_);
  }

 private:
  bool starts(std::string_view with) const { return std::string_view(text_).substr(at_).starts_with(with); }

  void skip_to(std::string_view end, bool including) {
    const std::size_t found = text_.find(end, at_);
    const std::size_t to = found == std::string::npos ? text_.size() : found + (including ? end.size() : 0);
    for (; at_ < to; ++at_) line_ += text_[at_] == '\n';
  }

  void add(Token::Kind kind, std::size_t end) {
    const std::size_t line = line_;
    const std::size_t begin = at_;
    for (; at_ < end; ++at_) line_ += text_[at_] == '\n';
    tokens_.push_back({kind, text_.substr(begin, end - begin), begin, end, line});
  }

  void next() {
    static constexpr std::string_view kSigns[] = {"<<=", ">>=", "...", "->*", "::", "->", "++", "--",
                                                  "+=",  "-=",  "*=",  "/=",  "%=", "&=", "|=", "^=",
                                                  "==",  "!=",  "<=",  ">=",  "&&", "||", "<<"};
    const char c = text_[at_];
    if (c == '\n') {
      ++line_;
      ++at_;
    } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++at_;
    } else if (starts("//")) {
      skip_to("\n", false);
    } else if (starts("/*")) {
      skip_to("*/", true);
    } else if (c == '#') {
      do skip_to("\n", true);
      while (at_ >= 2 && at_ < text_.size() && text_[at_ - 2] == '\\');
      tokens_.push_back({Token::Kind::sign, ";", at_, at_, line_});
    } else if (starts("R\"")) {
      const std::size_t open = text_.find('(', at_);
      const std::string end = ")" + text_.substr(at_ + 2, open - at_ - 2) + "\"";
      add(Token::Kind::text, text_.find(end, open) + end.size());
    } else if (c == '"' || c == '\'') {
      std::size_t end = at_ + 1;
      while (text_[end] != c) end += text_[end] == '\\' ? 2 : 1;
      add(Token::Kind::text, end + 1);
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      std::size_t end = at_ + 1;
      while (std::isalnum(static_cast<unsigned char>(text_[end])) != 0 || text_[end] == '.' || text_[end] == '\'' ||
             ((text_[end] == '-' || text_[end] == '+') && one_of(text_.substr(end - 1, 1), {"e", "E", "p"}) &&
              !text_.substr(at_, 2).starts_with("0x0")))
        ++end;
      add(Token::Kind::number, end);
    } else if (std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_') {
      std::size_t end = at_ + 1;
      while (std::isalnum(static_cast<unsigned char>(text_[end])) != 0 || text_[end] == '_') ++end;
      add(Token::Kind::word, end);
    } else {
      for (const std::string_view sign : kSigns)
        if (starts(sign)) return add(Token::Kind::sign, at_ + sign.size());
      add(Token::Kind::sign, at_ + 1);
    }
  }

  const std::string& text_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0, line_ = 1;
};

// Finds what can be there twice.
class Regions {
 public:
  explicit Regions(Source& source) : source_(source), tokens_(source.tokens) {}

  void find() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].text == "{") scopes_.push_back(opens_class(i));
      if (tokens_[i].text == "}" && !scopes_.empty()) scopes_.pop_back();
      const bool begins = i == 0 || one_of(tokens_[i - 1].text, {";", "{", "}", "else", "do"}) ||
                          header_ends_.contains(i - 1) || label_ends_before(i);
      if (begins) statement(i);
      if (one_of(tokens_[i].text, {"if", "while", "for"}) && i + 1 < tokens_.size() && tokens_[i + 1].text == "(")
        header(i);
    }
  }

 private:
  std::size_t closing(std::size_t open) const {
    int depth = 0;
    for (std::size_t i = open; i < tokens_.size(); ++i) {
      depth += one_of(tokens_[i].text, {"(", "[", "{"}) ? 1 : one_of(tokens_[i].text, {")", "]", "}"}) ? -1 : 0;
      if (depth == 0) return i;
    }
    return tokens_.size();
  }

  bool label_ends_before(std::size_t i) const {
    if (tokens_[i - 1].text != ":") return false;
    for (std::size_t k = i - 1; k > 0 && !one_of(tokens_[k].text, {";", "{", "}", "?"}); --k)
      if (one_of(tokens_[k - 1].text, {"case", "default"})) return true;
    return false;
  }

  bool opens_class(std::size_t brace) const {
    for (std::size_t i = brace; i > 0 && !one_of(tokens_[i - 1].text, {";", "{", "}", ")", "="}); --i)
      if (one_of(tokens_[i - 1].text, {"struct", "class", "union"})) return true;
    return false;
  }

  // First token at this depth that is one of these, in [from, to); `to` if there is none.
  std::size_t at_depth_0(std::size_t from, std::size_t to, std::initializer_list<std::string_view> texts) const {
    for (std::size_t i = from; i < to; ++i) {
      if (one_of(tokens_[i].text, texts)) return i;
      if (one_of(tokens_[i].text, {"(", "[", "{"})) i = closing(i);
    }
    return to;
  }

  void header(std::size_t keyword) {
    const std::size_t open = keyword + 1, close = closing(open);
    header_ends_.insert(close);
    const bool loop = tokens_[keyword].text == "for";
    std::size_t first = open + 1, last = close;
    const std::size_t semicolon = at_depth_0(first, close, {";"});
    if (loop && semicolon == close) return;  // over a range
    if (semicolon != close) {
      first = semicolon + 1;
      if (loop) last = at_depth_0(first, close, {";"});
    }
    if (at_depth_0(first, last, {"="}) != last) return;  // declares what it tests
    add(loop ? Region::Kind::loop : Region::Kind::condition, first, last);
  }

  void statement(std::size_t first) {
    if (one_of(tokens_[first].text, {"if",        "for",       "while",    "switch",
                                     "case",      "default",   "do",       "else",
                                     "throw",     "using",     "template", "static_assert",
                                     "typedef",   "friend",    "break",    "continue",
                                     "goto",      "namespace", "struct",   "class",
                                     "enum",      "union",     "public",   "private",
                                     "protected", "}",         "{",        ";",
                                     "inline",    "static",    "extern",   "operator",
                                     "virtual",   "explicit",  "delete",   "try",
                                     "catch",     "concept",   "asm",      "CONTEXTURE_KERNEL"}))
      return;
    const std::size_t end = at_depth_0(first, tokens_.size(), {";", "}"});
    if (end == tokens_.size() || tokens_[end].text != ";") return;
    for (std::size_t i = first; i < end; ++i)
      if (one_of(tokens_[i].text, {"constexpr", "consteval", "concept", "operator", "requires"})) return;
    if (tokens_[first].text == "return" || tokens_[first].text == "co_return")
      return add(Region::Kind::value, first + 1, end);
    const std::size_t equals = at_depth_0(first, end, {"="});
    if (is_expression(first)) return add(Region::Kind::statement, first, end + 1);
    if (equals == end) return;
    if (one_of(tokens_[equals + 1].text, {"default", "delete"})) return;
    const std::size_t last = at_depth_0(equals + 1, end, {","});
    // A default of an option is a choice that no test has to hold.
    if (last <= equals + 3 && !scopes_.empty() && scopes_.back()) return;
    add(Region::Kind::value, equals + 1, last);
  }

  // Not a declaration: a name, perhaps of a member or an element, and then a call or an assignment.
  bool is_expression(std::size_t i) const {
    if (one_of(tokens_[i].text, {"const", "auto", "mutable", "unsigned", "alignas", "CONTEXTURE_INLINE"})) return false;
    while (one_of(tokens_[i].text, {"*", "++", "--", "("})) {
      if (tokens_[i].text == "(") return true;
      ++i;
    }
    if (tokens_[i].kind != Token::Kind::word) return false;
    const std::string_view next = tokens_[i + 1].text;
    if (next == "::" || (next == "<" && tokens_[i].end == tokens_[i + 1].begin)) {  // a qualified or templated name
      std::size_t k = i + 1;
      int angles = 0;
      for (; k < tokens_.size(); ++k) {
        const std::string_view text = tokens_[k].text;
        if (text == "<") ++angles;
        if (text == ">") --angles;
        if (angles == 0 && text == "(") return true;
        if (angles == 0 && (text == ";" || text == "=" || text == "{")) return false;
        if (angles == 0 && tokens_[k].kind == Token::Kind::word && tokens_[k - 1].kind == Token::Kind::word)
          return false;
        if (angles == 0 && tokens_[k].kind == Token::Kind::word && one_of(tokens_[k - 1].text, {">", "&", "*"}))
          return false;
      }
      return false;
    }
    return one_of(next, {"(", ".", "->", "[", "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="});
  }

  void add(Region::Kind kind, std::size_t first, std::size_t last) {
    if (first >= last) return;
    if (kind == Region::Kind::value && one_of(tokens_[first].text, {"{", "["})) return;
    for (std::size_t i = first; i + 1 < last; ++i)
      if (one_of(tokens_[i].text, {";", "[&"})) return;  // a lambda with statements of its own
    if (last - first > 120) return;
    source_.regions.push_back({kind, first, last});
  }

  Source& source_;
  const std::vector<Token>& tokens_;
  std::set<std::size_t> header_ends_;
  std::vector<bool> scopes_;  // of the braces that are open: a class's?
};

// Tokens that say what went wrong, not what is done.
std::size_t message_begins(const Source& source, const Region& region) {
  const std::string& callee = source.tokens[region.first].text;
  const bool complains = region.kind == Region::Kind::statement &&
                         (callee.starts_with("require") || callee.starts_with("refuse") || callee == "note");
  bool makes = complains;
  for (std::size_t i = region.first; i < region.last; ++i) {
    makes = makes || source.tokens[i].text == "message";
    if (makes && (source.tokens[i].kind == Token::Kind::text || source.tokens[i].text == "message")) return i;
  }
  return region.last;
}

std::string other_number(const std::string& text, std::mt19937_64& dice) {
  if (text.starts_with("0x") || text.starts_with("0b") || text.find('\'') != std::string::npos) return {};
  if (text.find_first_of(".eE") != std::string::npos) {
    const double value = std::strtod(text.c_str(), nullptr);
    std::string out = value == 0 ? "1.0" : std::to_string(value * 1.1);
    if (value != 0 && std::abs(value) < 1e-3)
      out = "1.1 * " + text;
    else if (text.ends_with("F"))
      out += "F";
    return "(" + out + ")";
  }
  std::size_t digits = 0;
  while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0) ++digits;
  if (digits > 9) return {};
  const long value = std::atol(text.c_str());
  return std::to_string(value > 0 && dice() % 2 == 0 ? value - 1 : value + 1) + text.substr(digits);
}

// All mutations of a region.
std::vector<Mutation> mutations(const Source& source, const Region& region, std::mt19937_64& dice) {
  static const std::map<std::string, std::pair<const char*, const char*>> kBinary = {
      {"+", {"sign", "-"}},      {"-", {"sign", "+"}},      {"*", {"sign", "/"}},      {"/", {"sign", "*"}},
      {"+=", {"sign", "-="}},    {"-=", {"sign", "+="}},    {"*=", {"sign", "/="}},    {"/=", {"sign", "*="}},
      {"<", {"bound", "<="}},    {"<=", {"bound", "<"}},    {">", {"bound", ">="}},    {">=", {"bound", ">"}},
      {"==", {"negated", "!="}}, {"!=", {"negated", "=="}}, {"&&", {"negated", "||"}}, {"||", {"negated", "&&"}},
      {"%", {"sign", "/"}}};
  static const std::map<std::string, std::string> kWords = {
      {"min", "max"},      {"max", "min"},    {"true", "false"}, {"false", "true"},   {"first", "second"},
      {"second", "first"}, {"floor", "ceil"}, {"ceil", "floor"}, {"height", "width"}, {"width", "height"}};
  const std::vector<Token>& t = source.tokens;
  std::vector<Mutation> out;
  const std::size_t until = message_begins(source, region);
  const auto is_end = [&](std::size_t i) {
    return t[i].kind == Token::Kind::word || t[i].kind == Token::Kind::number || t[i].text == ")" || t[i].text == "]";
  };
  const auto spaced = [&](std::size_t i) {
    return std::isspace(static_cast<unsigned char>(source.text[t[i].begin - 1])) != 0 &&
           std::isspace(static_cast<unsigned char>(source.text[t[i].end])) != 0;
  };
  const auto simple = [&](std::size_t i) { return i < until && t[i].kind == Token::Kind::word; };
  // Among the arguments of a template: types and sizes, which hardly ever compile the other way round.
  const auto in_angles = [&](std::size_t i) {
    int depth = 0;
    for (; i > region.first && depth >= 0; --i) {
      depth += one_of(t[i].text, {")", "]"}) ? 1 : one_of(t[i].text, {"(", "["}) ? -1 : 0;
      if (depth == 0 && t[i].text == "<" && t[i - 1].end == t[i].begin) return true;
    }
    return false;
  };
  for (std::size_t i = region.first; i < until; ++i) {
    const Token& token = t[i];
    const bool inner = i > region.first && i + 1 < region.last;
    if (const auto found = kBinary.find(token.text);
        found != kBinary.end() && inner && is_end(i - 1) && spaced(i) && t[i - 1].text != "operator") {
      out.push_back({found->second.first, i, i + 1, found->second.second});
      if (one_of(token.text, {"+", "-", "*"}) &&
          (t[i + 1].kind == Token::Kind::word || t[i + 1].kind == Token::Kind::number) &&
          one_of(t[i + 2].text, {";", ",", ")", "+", "-", "]", "<", ">"}))
        out.push_back({"dropped term", i, i + 2, ""});
      if (token.text == "*" && i >= region.first + 1 && i + 3 < until && simple(i - 1) && simple(i + 1) &&
          t[i + 2].text == "+" && simple(i + 3) && one_of(t[i + 4].text, {")", "]", ";", ","}) &&
          t[i - 1].text != t[i + 3].text && one_of(t[i - 2].text, {"(", "[", "=", ","}))
        out.push_back({"swapped index", i - 1, i + 4, t[i + 3].text + " * " + t[i + 1].text + " + " + t[i - 1].text});
    }
    if (token.kind == Token::Kind::number && !(t[i - 1].text == "<" && !spaced(i - 1)) &&
        !(t[i + 1].text == ">" && !spaced(i + 1))) {
      const std::string number = other_number(token.text, dice);
      if (!number.empty()) out.push_back({"constant", i, i + 1, number});
    }
    if (token.kind == Token::Kind::word)
      if (const auto found = kWords.find(token.text); found != kWords.end())
        out.push_back({"swapped word", i, i + 1, found->second});
    if (one_of(token.text, {"(", ","}) && i + 4 < region.last && simple(i + 1) && t[i + 2].text == "," &&
        simple(i + 3) && one_of(t[i + 4].text, {",", ")"}) && t[i + 1].text != t[i + 3].text && !in_angles(i) &&
        !(i > 0 && one_of(t[i - 1].text, {"min", "max", "hypot", "swap"})))
      out.push_back({"swapped arguments", i + 1, i + 4, t[i + 3].text + ", " + t[i + 1].text});
    if (token.text == "[" && i + 5 < region.last && simple(i + 1) && t[i + 2].text == "]" && t[i + 3].text == "[" &&
        simple(i + 4) && t[i + 5].text == "]" && t[i + 1].text != t[i + 4].text)
      out.push_back({"swapped index", i + 1, i + 5, t[i + 4].text + "][" + t[i + 1].text});
  }
  if (region.kind == Region::Kind::condition) out.push_back({"negated", region.first, region.last, ""});
  if (region.kind == Region::Kind::statement) out.push_back({"dropped statement", region.first, region.last, ""});
  return out;
}

std::string original(const Source& source, std::size_t first, std::size_t last) {
  std::string out;
  for (std::size_t i = first; i < last; ++i) {
    if (i > first && source.tokens[i].begin > source.tokens[i - 1].end) out += ' ';
    out += source.tokens[i].text;
  }
  return out;
}

std::string mutated(const Source& source, const Region& region, const Mutation& m) {
  const std::string before = original(source, region.first, m.first), after = original(source, m.last, region.last);
  if (m.kind == "negated" && m.by.empty()) return "!(" + original(source, region.first, region.last) + ")";
  return before + " " + m.by + " " + after;
}

// The text with its mutants, line for line as before.
std::string planted(const Source& source, const std::vector<const Mutant*>& mutants) {
  std::map<std::size_t, std::vector<const Mutant*>> by_region;
  for (const Mutant* m : mutants) by_region[m->region].push_back(m);
  std::map<std::size_t, std::string> insertions;
  for (const auto& [index, list] : by_region) {
    const Region& region = source.regions[index];
    std::string before;
    for (const Mutant* m : list) {
      const std::string asked = "::contexture_mutation::awake(" + std::to_string(m->number) + ")";
      const std::string text = mutated(source, region, m->mutation);
      before += region.kind == Region::Kind::statement ? "if (" + asked + ") { " + text + " } else "
                                                       : asked + " ? (" + text + ") : ";
    }
    const bool statement = region.kind == Region::Kind::statement;
    insertions[source.tokens[region.first].begin] = (statement ? "{ " : "(") + before + (statement ? "{ " : "(");
    insertions[source.tokens[region.last - 1].end] = statement ? " } }" : "))";
  }
  std::string out;
  std::size_t at = 0;
  for (const auto& [place, text] : insertions) {
    out += source.text.substr(at, place - at) + text;
    at = place;
  }
  return out + source.text.substr(at);
}

std::string line_of(const std::string& text, std::size_t position) {
  const std::size_t begin = text.rfind('\n', position) + 1;
  const std::size_t first = text.find_first_not_of(' ', begin);
  return text.substr(first, text.find('\n', position) - first);
}

struct Arguments {
  std::string tree, list, drop;
  std::size_t count = 100;
  std::uint64_t seed = 1;
  std::vector<std::string> headers;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (!name.starts_with("--")) {
      a.headers.push_back(name);
      continue;
    }
    if (i + 1 == argc) throw std::runtime_error(name + " wants a value");
    const std::string value = argv[++i];
    if (name == "--tree")
      a.tree = value;
    else if (name == "--list")
      a.list = value;
    else if (name == "--drop")
      a.drop = value;
    else if (name == "--count")
      a.count = std::stoul(value);
    else if (name == "--seed")
      a.seed = std::stoull(value);
    else
      throw std::runtime_error(name + " is no option");
  }
  return a;
}

// Headers that stand in one folder together, in the order that they are named in: the count is a folder's.
std::vector<std::vector<std::string>> by_folder(const std::vector<std::string>& headers) {
  std::vector<std::vector<std::string>> out;
  std::map<std::string, std::size_t> place;
  for (const std::string& header : headers) {
    std::size_t end = header.find('/', std::string_view("include/contexture/").size());
    if (end == std::string::npos) end = 0;
    const auto [known, is_new] = place.try_emplace(header.substr(0, end), out.size());
    if (is_new) out.emplace_back();
    out[known->second].push_back(header);
  }
  return out;
}

// All mutants of some headers, those first that are planted first.
std::vector<Mutant> ranked_mutants(const std::string& tree, const std::vector<std::string>& headers,
                                   std::map<std::string, Source>& sources, std::mt19937_64& dice) {
  std::vector<Mutant> all;
  for (const std::string& header : headers) {
    Source& source = sources[header];
    source.text = read(tree + "/" + header);
    source.tokens = Lexer(source.text).tokens();
    Regions(source).find();
    std::vector<Mutant> here;
    for (std::size_t r = 0; r < source.regions.size(); ++r)
      for (const Mutation& m : mutations(source, source.regions[r], dice)) here.push_back({header, r, m});
    std::shuffle(here.begin(), here.end(), dice);
    // A file is chosen from by the root of its size: one of many drawn constants does not crowd out the others.
    for (std::size_t i = 0; i < here.size(); ++i) {
      here[i].rank = (static_cast<double>(i) + static_cast<double>(dice() % 1000) / 1000) /
                     std::sqrt(static_cast<double>(here.size()));
      all.push_back(here[i]);
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Mutant& x, const Mutant& y) { return x.rank < y.rank; });
  return all;
}

void plant(const Arguments& a) {
  std::mt19937_64 dice(a.seed);
  std::set<int> dropped;
  if (!a.drop.empty()) {
    std::ifstream in(a.drop);
    for (int number = 0; in >> number;) dropped.insert(number);
  }
  std::map<std::string, Source> sources;
  std::vector<Mutant> chosen;
  std::size_t possible = 0;
  for (const auto& headers : by_folder(a.headers)) {
    const std::vector<Mutant> all = ranked_mutants(a.tree, headers, sources, dice);
    // None takes the place of one that is dropped: what has been compiled without it can stay.
    for (std::size_t i = 0; i < all.size() && i < a.count; ++i) {
      const int number = static_cast<int>(possible + i) + 1;
      if (dropped.contains(number)) continue;
      chosen.push_back(all[i]);
      chosen.back().number = number;
    }
    possible += all.size();
  }

  std::ofstream list(a.list);
  for (const Mutant& m : chosen) {
    const Source& source = sources.at(m.file);
    const Region& region = source.regions[m.region];
    const Token& first = source.tokens[m.mutation.first];
    std::string by = m.mutation.by;
    if (m.mutation.kind == "negated" && by.empty()) by = "!(...)";
    list << m.number << '\t' << m.file << '\t' << source.tokens[region.first].line << '\t'
         << source.tokens[region.last - 1].line << '\t' << first.line << '\t' << m.mutation.kind << '\t'
         << original(source, m.mutation.first, m.mutation.last) << '\t' << by << '\t'
         << line_of(source.text, first.begin) << '\n';
  }
  for (const auto& [header, source] : sources) {
    std::vector<const Mutant*> here;
    for (const Mutant& m : chosen)
      if (m.file == header) here.push_back(&m);
    if (here.empty()) continue;
    std::ofstream out(a.tree + "/" + header, std::ios::binary);
    out << planted(source, here);
  }
  std::cout << possible << " mutants possible, " << chosen.size() << " planted\n";
}

}  // namespace

int main(int argc, char** argv) try {
  plant(parse(argc, argv));
  return 0;
} catch (const std::exception& error) {
  std::cerr << "plant_mutants: " << error.what() << '\n';
  return 1;
}
