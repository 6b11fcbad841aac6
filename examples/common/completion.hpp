// SPDX-License-Identifier: MIT
// How a shell completes the words of `contexture`: scripts for bash and zsh, made from the options that the programs
// themselves have.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace programs {

struct CompletedOption {
  std::string name;  ///< --preset
  std::string help;
  bool takes_value = false;
  std::vector<std::string> values = {};  ///< that it may have; none: any, or a file
};

struct CompletedCommand {
  std::string name, purpose;
  std::vector<CompletedOption> options;
};

/// The names that a text of help ends with: "how much is computed: quick, standard or thorough". None: not such a text.
inline std::vector<std::string> choices_in(std::string_view help) {
  if (const std::size_t colon = help.rfind(": "); colon != std::string_view::npos) help.remove_prefix(colon + 2);
  const std::size_t last = help.rfind(" or ");
  if (last == std::string_view::npos) return {};
  std::vector<std::string> names;
  std::string_view before = help.substr(0, last);
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = before.find(", ");
    names.emplace_back(before.substr(0, comma));
    if (comma != std::string_view::npos) before.remove_prefix(comma + 2);
  }
  names.emplace_back(help.substr(last + 4));
  const auto is_name = [](const std::string& name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_' || c == '+' || c == '-';
    });
  };
  if (!std::all_of(names.begin(), names.end(), is_name)) return {};
  return names;
}

/// The options of a program, without those that its help never lists.
inline std::vector<CompletedOption> completed_options(const CLI::App& app) {
  std::vector<CompletedOption> out;
  for (const CLI::Option* const option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames())
      out.push_back({"--" + name, option->get_description(), option->get_items_expected_min() > 0,
                     choices_in(option->get_description())});
  }
  return out;
}

namespace detail {

inline std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : between).append(word);
  return out;
}

// As one word of a shell.
inline std::string shell_word(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out.append(c == '\'' ? "'\\''" : std::string(1, c));
  return out + "'";
}

// Per command: which names its options have, and which values may follow some of them.
inline std::string cases(const CompletedCommand& command) {
  std::vector<std::string> names, any;
  std::string values;
  for (const CompletedOption& option : command.options) {
    names.push_back(option.name);
    if (!option.takes_value) continue;
    if (option.values.empty())
      any.push_back(option.name);
    else
      values += "        " + option.name + ") words=" + shell_word(joined(option.values, " ")) + " ;;\n";
  }
  if (!any.empty()) values += "        " + joined(any, " | ") + ") words='' any=yes ;;\n";
  return "    " + command.name + ")\n      words=" + shell_word(joined(names, " ")) +
         " any=no\n      case $before in\n" + values + "      esac\n      ;;\n";
}

}  // namespace detail

/// A script that bash reads. Where nothing is known, bash completes names of files.
inline std::string bash_completion(const std::vector<CompletedCommand>& commands) {
  std::vector<std::string> names;
  std::string cases;
  for (const CompletedCommand& command : commands) {
    names.push_back(command.name);
    cases += detail::cases(command);
  }
  return "# Completion of contexture for bash, as `contexture completion bash` writes it.\n"
         "_contexture() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words='' any=no\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    mapfile -t COMPREPLY < <(compgen -W " +
         detail::shell_word(detail::joined(names, " ") + " --help --version") +
         " -- \"$word\")\n"
         "    return\n"
         "  fi\n"
         "  # Bash takes --preset=quick for three words.\n"
         "  if [[ $word == '=' ]]; then word=''; elif [[ $before == '=' ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; "
         "fi\n"
         "  case ${COMP_WORDS[1]} in\n" +
         cases +
         "  esac\n"
         "  [[ $any == yes || ($words == --* && $word != -*) ]] && return  # a file, or a word of one's own\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "}\n"
         "complete -o default -F _contexture contexture\n";
}

/// The same for zsh, with what each word means.
inline std::string zsh_completion(const std::vector<CompletedCommand>& commands) {
  const auto described = [](std::string name, std::string_view text) {
    std::string out;
    for (const char c : name) out.append(c == ':' ? "\\:" : std::string(1, c));
    return detail::shell_word(out + ":" + std::string(text));
  };
  std::string names, cases;
  for (const CompletedCommand& command : commands) {
    names += "      " + described(command.name, command.purpose) + "\n";
    cases += "    " + command.name + ")\n      words_of=(\n";
    std::string values;
    std::vector<std::string> any;
    for (const CompletedOption& option : command.options) {
      cases += "        " + described(option.name, option.help) + "\n";
      if (!option.takes_value) continue;
      if (option.values.empty())
        any.push_back(option.name);
      else
        values += "        " + option.name + ") compadd -- " + detail::joined(option.values, " ") + "; return ;;\n";
    }
    if (!any.empty()) values += "        " + detail::joined(any, " | ") + ") _files; return ;;\n";
    cases += "      )\n      case $words[CURRENT-1] in\n" + values + "      esac\n      ;;\n";
  }
  return "#compdef contexture\n"
         "# Completion of contexture for zsh, as `contexture completion zsh` writes it.\n"
         "_contexture() {\n"
         "  local -a words_of\n"
         "  if ((CURRENT == 2)); then\n"
         "    words_of=(\n" +
         names +
         "    )\n"
         "    _describe command words_of\n"
         "    return\n"
         "  fi\n"
         "  case $words[2] in\n" +
         cases +
         "  esac\n"
         "  if [[ $words[CURRENT] == -* ]]; then _describe option words_of; else _files; fi\n"
         "}\n"
         "_contexture \"$@\"\n";
}

}  // namespace programs
