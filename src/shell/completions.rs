//! Scripts with which each shell completes ampup's command line. The words come from ampup itself (`ampup complete`),
//! one a line with a tab before its description; these few lines only hand them over.

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[expect(missing_docs, reason = "each variant is the shell of its name")]
pub enum Completing {
    Bash,
    Zsh,
    Fish,
    #[value(alias = "nu")]
    Nushell,
    #[value(name = "powershell", alias = "pwsh")]
    PowerShell,
    Elvish,
}

impl Completing {
    /// Returns the script that the shell reads.
    pub fn script(self) -> &'static str {
        match self {
            Self::Bash => BASH,
            Self::Zsh => ZSH,
            Self::Fish => FISH,
            Self::Nushell => NUSHELL,
            Self::PowerShell => POWERSHELL,
            Self::Elvish => ELVISH,
        }
    }
}

/// For readline a word ends at each of `@`, `=` and `:` that COMP_WORDBREAKS has, and only what follows is replaced; an
/// `@` itself belongs to what follows (`rl_special_prefixes`).
const BASH: &str = r#"# In ~/.bashrc:  eval "$(ampup completions bash)"
_ampup() {
    local line="${COMP_LINE:0:COMP_POINT}" answer mark before cut=''
    local word="${line##*[[:space:]]}"
    for mark in @ = :; do
        [[ $COMP_WORDBREAKS == *"$mark"* && $word == *"$mark"* ]] || continue
        before="${word%"${word##*"$mark"}"}"
        before="${before%@}"
        if (( ${#before} > ${#cut} )); then cut=$before; fi
    done
    COMPREPLY=()
    while IFS= read -r answer; do
        answer="${answer%%$'\t'*}"
        COMPREPLY+=("${answer#"$cut"}")
    done < <(ampup complete --line "$line" 2>/dev/null)
}
complete -F _ampup -o bashdefault ampup
"#;

const ZSH: &str = r#"#compdef ampup
# In ~/.zshrc, after compinit:  eval "$(ampup completions zsh)"; or as a file `_ampup` in a directory of $fpath.
_ampup() {
    local answer
    local -a values shown
    for answer in "${(@f)$(ampup complete -- "${(@Q)words[1,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $answer ]] || continue
        values+=("${answer%%$'\t'*}")
        shown+=("${answer/$'\t'/  -- }")
    done
    compadd -l -d shown -a values
}
if [[ ${funcstack[1]-} == _ampup ]]; then _ampup "$@"; else compdef _ampup ampup; fi
"#;

const FISH: &str = r"# In ~/.config/fish/completions/ampup.fish:  ampup completions fish | source
complete --command ampup --no-files --arguments '(ampup complete -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token --cut-at-cursor) 2>/dev/null)'
";

const NUSHELL: &str = r#"# Once:  ampup completions nushell | save --force ($nu.user-autoload-dirs | first | path join ampup-completions.nu)
def "nu-complete ampup" [line: string, position: int] {
    ^ampup complete --line ($line | str substring 0..<$position) | lines | each {|answer|
        let cells = ($answer | split row (char tab))
        {value: $cells.0, description: ($cells | get --optional 1 | default "")}
    }
}
export extern ampup [...words: string@"nu-complete ampup"]
"#;

const POWERSHELL: &str = r#"# In $PROFILE:  ampup completions powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName ampup -ScriptBlock {
    param($word, $ast, $cursor)
    $length = [Math]::Max(0, $cursor - $ast.Extent.StartOffset)
    $line = $ast.ToString().PadRight($length).Substring(0, $length)
    ampup complete --line $line 2>$null | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
}
"#;

const ELVISH: &str = r#"# In ~/.config/elvish/rc.elv:  eval (ampup completions elvish | slurp)
use str
set edit:completion:arg-completer[ampup] = {|@words|
    e:ampup complete -- $@words | from-lines | each {|answer|
        var cells = [(str:split "\t" $answer)]
        var shown = $cells[0]
        if (> (count $cells) 1) { set shown = $cells[0]' ('$cells[1]')' }
        edit:complex-candidate $cells[0] &display=$shown
    }
}
"#;
