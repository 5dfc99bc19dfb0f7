/** The word by which the scripts ask for candidates. */
export const COMPLETE = '__complete';

/** Shells for which there is a script. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
/** One of SHELLS. */
export type Shell = (typeof SHELLS)[number];

/** bash gives its line as it was typed: what it calls words is cut at `@`, `:` and `=`. */
const BASH = `# slipway completion bash; to have it in each shell:
#   slipway completion bash > ~/.local/share/bash-completion/completions/slipway
# or, without the package bash-completion, in ~/.bashrc:
#   eval "$(slipway completion bash)"
_slipway() {
  local line=\${COMP_LINE:0:COMP_POINT} found
  COMPREPLY=()
  while IFS= read -r found; do
    if [ "$found" = :files ]; then
      compopt -o default 2>/dev/null
    else
      COMPREPLY+=("$found")
    fi
  done < <(slipway ${COMPLETE} bash "$line" 2>/dev/null)
}
complete -F _slipway slipway
`;

const ZSH = `#compdef slipway
# slipway completion zsh; to have it in each shell, with a folder of $fpath:
#   slipway completion zsh > ~/.zfunc/_slipway
# or in ~/.zshrc, behind compinit:
#   eval "$(slipway completion zsh)"
_slipway() {
  local value says
  local -a values shown asked
  asked=("\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}")
  while IFS=$'\\t' read -r value says; do
    if [[ $value == :files ]]; then
      _files
      return
    fi
    values+=("$value")
    shown+=("$value\${says:+  -- $says}")
  done < <(slipway ${COMPLETE} zsh "\${asked[@]}" 2>/dev/null)
  (( \${#values} )) && compadd -l -d shown -- "\${values[@]}"
}
if [ "$funcstack[1]" = _slipway ]; then
  _slipway "$@"
else
  compdef _slipway slipway
fi
`;

const FISH = `# slipway completion fish; to have it in each shell:
#   slipway completion fish > ~/.config/fish/completions/slipway.fish
function __slipway_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found (slipway ${COMPLETE} fish $words[2..-1] (string unescape -- "$current"; or echo "$current") 2>/dev/null)
    if test "$found" = :files
        __fish_complete_path "$current"
    else
        printf '%s\\n' $found
    end
end
complete -c slipway -f -a '(__slipway_complete)'
`;

/** What `slipway completion SHELL` prints. */
export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
