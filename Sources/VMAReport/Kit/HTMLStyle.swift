/// The page's style sheet: one column, dark where the reader's system is dark.
enum HTMLStyle {
    static let text = #"""
        :root{--bg:#fff;--fg:#1b1f24;--dim:#667080;--rule:#dde1e6;--soft:#f3f5f7;--good:#207a3c;--bad:#c92a2a;
        --pgoff:#e03131;--anon_vma:#f08c00;--both:#c2255c;--file_offset:#2f9e44;--prot:#4263eb;--flags:#0c8599;
        --mergeable:#94d82d;--unexplained:#000;--other:#868e96;--anon:#c5d4ea;--file:#cfe8cf;--none:#e5e5e5;--frame:#ffd8a8}
        @media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e4e8ec;--dim:#98a2ad;--rule:#343b42;--soft:#1e2327;
        --good:#69db7c;--bad:#ff8787;--pgoff:#ff6b6b;--anon_vma:#ffa94d;--both:#f06595;--file_offset:#51cf66;--prot:#748ffc;
        --flags:#3bc9db;--mergeable:#c0eb75;--unexplained:#fff;--other:#868e96;--anon:#38506e;--file:#35553a;--none:#33373b;
        --frame:#7a4f1d}}
        *{box-sizing:border-box}
        body{margin:0 auto;max-width:1180px;padding:16px;background:var(--bg);color:var(--fg);
        font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
        h1{font-size:22px;line-height:1.3;margin:8px 0 12px}h2{font-size:17px;margin:0 0 8px}
        section{border-top:1px solid var(--rule);padding:16px 0}
        dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:0}dt{color:var(--dim)}dd{margin:0}
        td,dd,code,li,figcaption,.mono{unicode-bidi:isolate}
        .dim{color:var(--dim)}.good{color:var(--good)}.bad{color:var(--bad)}
        .mono,code{font:13px/1.5 ui-monospace,monospace}.mono{min-height:3em;margin:6px 0}
        .scroll{overflow-x:auto}table{border-collapse:collapse;font-size:14px;min-width:50%}
        th,td{text-align:left;padding:4px 14px 4px 0;border-bottom:1px solid var(--rule);vertical-align:top;overflow-wrap:normal}
        th{color:var(--dim);font-weight:normal;white-space:nowrap}
        .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        td:has(code){min-width:260px;overflow-wrap:anywhere}td:has(.bar){min-width:160px;width:40%}
        .bar{height:14px;margin-top:4px;border-radius:2px}
        i{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 5px 0 0}.legend i{margin-left:10px}
        .c-pgoff{background:var(--pgoff)}.c-anon_vma{background:var(--anon_vma)}.c-both{background:var(--both)}
        .c-file_offset{background:var(--file_offset)}.c-prot{background:var(--prot)}.c-flags{background:var(--flags)}
        .c-mergeable{background:var(--mergeable)}.c-unexplained{background:var(--unexplained)}.c-other{background:var(--other)}
        .tools{display:flex;gap:6px;flex-wrap:wrap;margin:0 0 8px}
        button,select{font:inherit;color:inherit;background:var(--soft);border:1px solid var(--rule);border-radius:6px;
        padding:4px 12px;min-height:36px;max-width:100%}
        button[aria-pressed=true]{border-color:var(--prot);font-weight:600}
        #strip{display:block;width:100%;height:150px;background:var(--soft);border-radius:6px;touch-action:pan-y;cursor:grab}
        #flame{position:relative;overflow:hidden}
        #flame div{position:absolute;height:20px;font:12px/20px system-ui,sans-serif;padding:0 4px;overflow:hidden;
        white-space:nowrap;text-overflow:ellipsis;border:1px solid var(--bg);border-radius:3px;background:var(--frame);cursor:pointer}
        #flame .thin{padding:0;border-width:1px 0}#flame .leaf{color:#fff}@media(prefers-color-scheme:dark){#flame .leaf{color:#000}}
        #flame .c-pgoff{background:var(--pgoff)}#flame .c-anon_vma{background:var(--anon_vma)}#flame .c-both{background:var(--both)}
        #flame .c-file_offset{background:var(--file_offset)}#flame .c-prot{background:var(--prot)}
        #flame .c-flags{background:var(--flags)}#flame .c-mergeable{background:var(--mergeable)}
        #flame .c-unexplained{background:var(--unexplained)}#flame .c-other{background:var(--other)}
        figure{margin:0 0 12px}svg{width:100%;height:auto;max-height:280px}
        svg text{font:12px system-ui,sans-serif;fill:var(--dim)}svg .limit{stroke:var(--bad);stroke-dasharray:6 4}
        svg text.limit{stroke:none;fill:var(--bad)}.axis,.grid,.line{fill:none}.axis{stroke:var(--dim)}.grid{stroke:var(--rule)}
        .line{stroke:var(--prot);stroke-width:2}.fill{fill:var(--prot);stroke:none}.b{white-space:nowrap}
        @media(max-width:600px){body{padding:12px}h1{font-size:19px}svg text{font-size:23px}.line{stroke-width:4}}
        """#
}
