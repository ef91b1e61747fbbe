/* The grammar of .plait files. Actions only call the builders of parser.h.
 *
 * Recovery: a mistake ends with its line, or with the block that begins on it; mistakes in the next line are then
 * reported again. The tables are canonical LR so that the list of expected tokens is exact. The parser's stack has a fixed size and lies on
 * the C stack: it must own no memory, as builders may leave by longjmp when an arena runs out.
 */
%require "3.8"
%define api.pure full
%define api.prefix {plait_yy}
%define api.location.type {PlaitSpan}
%define parse.error custom
%define lr.type canonical-lr
%locations
%param {PlaitParser *parser}
%expect 0

%code requires {
#include "frontend/parser.h"
}

%code provides {
/* The scanner (lex.re). */
int plait_yylex(PLAIT_YYSTYPE *value, PlaitSpan *span, PlaitParser *parser);
}

%code {
#include "frontend/syntax.h"

#define YYINITDEPTH 2000
#define YYMAXDEPTH 2000

#define YYLLOC_DEFAULT(current, right, count) \
    ((current) = (count) ? plait_span_join(YYRHSLOC(right, 1), YYRHSLOC(right, count)) \
                         : (PlaitSpan){YYRHSLOC(right, 0).source, YYRHSLOC(right, 0).end, YYRHSLOC(right, 0).end})

static void plait_yyerror(const PlaitSpan *span, PlaitParser *parser, const char *message);
#define AT(name, span) ((PlaitAstName){(name), (span)})
#define NONE ((PlaitAstName){0})
}

%union {
    PlaitName name;
    struct {
        double number;
        bool whole;
    } number;
    PlaitAstName word;
    PlaitAstExpression *expression;
    PlaitAstExpressions *expressions;
    PlaitAstNames *names;
    PlaitAstType *type;
    PlaitAstParams *params;
    PlaitAstCarries *carries;
    PlaitAstStatement *statement;
    PlaitAstBlock *block;
}

%token END 0 "the end of the file"
%token LINE_END "the end of the line"
%token BAD_TOKEN "a malformed token"
%token RESERVED "a reserved word"
%token <name> NAME "a name"
%token <number> NUMBER "a number"
%token <name> SELECT "`select`"
%token AXIS "`axis`" CONST "`const`" FN "`fn`" OPERATOR "`operator`"
%token SCAN "`scan`" REVERSE "`reverse`" CARRY "`carry`" ATTEND "`attend`" ALONG "`along`" WHERE "`where`" SAME "`same`"
%token IF "`if`" ELSE "`else`" AND "`and`" OR "`or`" NOT "`not`" INF "`inf`" TRUE "`true`" FALSE "`false`"
%token LE "`<=`" GE "`>=`" EQ "`==`" NE "`!=`" FLOOR_DIVIDE "`//`" ARROW "`->`"
%token PLUS "`+`" MINUS "`-`" TIMES "`*`" DIVIDE "`/`" REMAINDER "`%`" POWER "`^`" LT "`<`" GT "`>`"
%token ASSIGN "`=`" COLON "`:`" COMMA "`,`" SEMICOLON "`;`" POSITION "`@`"
%token OPEN "`(`" CLOSE "`)`" OPEN_AXES "`[`" CLOSE_AXES "`]`" OPEN_BLOCK "`{`" CLOSE_BLOCK "`}`"

%right IF ELSE
%left OR
%left AND
%precedence NOT
%left LT LE GT GE EQ NE
%left PLUS MINUS
%left TIMES DIVIDE FLOOR_DIVIDE REMAINDER
%precedence NEGATIVE
%right POWER

%type <expression> expression postfix size default where
%type <expressions> arguments argument_list
%type <names> names axes axis_params fn_params
%type <type> type carry_type
%type <params> params param_list results result_list
%type <carries> carries carry_list
%type <statement> statement
%type <block> block lines
%type <word> role same along called
%type <number> reverse

%%

file: items END;

items: item | items separator item;
separator: LINE_END | SEMICOLON;

item: %empty
    | AXIS NAME[name] role same size
        { plait_ast_add_axis(parser, (PlaitAstAxis){AT($name, @name), $role, $same, $size}); }
    | CONST NAME[name] ASSIGN expression { plait_ast_add_constant(parser, AT($name, @name), $expression); }
    | FN NAME[name] axis_params OPEN fn_params CLOSE ASSIGN expression
        {
            plait_ast_add_function(parser, AT($name, @name), $axis_params, $fn_params,
                                   plait_ast_block_add(parser, NULL, plait_ast_value(parser, $expression)));
        }
    | FN NAME[name] axis_params OPEN fn_params CLOSE lines_before block
        { plait_ast_add_function(parser, AT($name, @name), $axis_params, $fn_params, $block); }
    | OPERATOR NAME[name] OPEN params CLOSE ARROW results lines_before block
        { plait_ast_add_operator(parser, AT($name, @name), $params, $results, $block); }
    | OPERATOR error block { yyerrok; }
    | error block { yyerrok; }
    | error { yyerrok; };

lines_before: %empty | lines_before LINE_END;

role: %empty { $$ = NONE; }
    | COLON NAME { $$ = AT($NAME, @NAME); };
same: %empty { $$ = NONE; }
    | SAME NAME { $$ = AT($NAME, @NAME); };
size: %empty { $$ = NULL; }
    | ASSIGN expression { $$ = $expression; };

axis_params: %empty { $$ = NULL; }
    | OPEN_AXES names CLOSE_AXES { $$ = $names; };
fn_params: %empty { $$ = NULL; }
    | names;

names: NAME { $$ = plait_ast_names_add(parser, NULL, AT($NAME, @NAME)); }
    | names COMMA NAME { $$ = plait_ast_names_add(parser, $1, AT($NAME, @NAME)); };
axes: OPEN_AXES names CLOSE_AXES { $$ = $names; };

params: %empty { $$ = NULL; }
    | param_list
    | param_list COMMA;
param_list: names COLON type default { $$ = plait_ast_params_add(parser, NULL, $names, $type, $default); }
    | param_list COMMA names COLON type default { $$ = plait_ast_params_add(parser, $1, $names, $type, $default); };
default: size;

results: names COLON type { $$ = plait_ast_params_add(parser, NULL, $names, $type, NULL); }
    | OPEN result_list CLOSE { $$ = $result_list; }
    | OPEN result_list COMMA CLOSE { $$ = $result_list; };
result_list: names COLON type { $$ = plait_ast_params_add(parser, NULL, $names, $type, NULL); }
    | result_list COMMA names COLON type { $$ = plait_ast_params_add(parser, $1, $names, $type, NULL); };

type: NAME { $$ = plait_ast_type(parser, @$, AT($NAME, @NAME), NULL); }
    | NAME axes { $$ = plait_ast_type(parser, @$, AT($NAME, @NAME), $axes); };

block: OPEN_BLOCK lines CLOSE_BLOCK { $$ = $lines; };
lines: statement { $$ = plait_ast_block_add(parser, NULL, $statement); }
    | lines separator statement { $$ = plait_ast_block_add(parser, $1, $statement); };

statement: %empty { $$ = NULL; }
    | NAME ASSIGN expression { $$ = plait_ast_assign(parser, @$, AT($NAME, @NAME), $expression); }
    | expression { $$ = plait_ast_value(parser, $expression); }
    | SCAN NAME reverse carries lines_before block
        { $$ = plait_ast_scan(parser, plait_span_join(@1, @carries), AT($NAME, @NAME), $reverse.whole, $carries, $block); }
    | ATTEND NAME along where lines_before block
        { $$ = plait_ast_attend(parser, plait_span_join(@1, @where), AT($NAME, @NAME), $along, $where, $block); }
    | choice { $$ = NULL; plait_syntax_report_choice(parser, @choice); }
    | error block { $$ = NULL; yyerrok; }
    | error { $$ = NULL; yyerrok; };

/* Other languages' conditional, read whole so that it is reported once. */
choice: IF expression lines_before block { @$ = @IF; }
    | IF expression lines_before block ELSE lines_before block { @$ = @IF; }
    | IF expression lines_before block ELSE choice { @$ = @IF; };

reverse: %empty { $$.number = 0; $$.whole = false; }
    | REVERSE { $$.number = 0; $$.whole = true; };
carries: %empty { $$ = NULL; }
    | CARRY carry_list { $$ = $carry_list; };
carry_list: NAME carry_type ASSIGN expression
        { $$ = plait_ast_carries_add(parser, NULL, AT($NAME, @NAME), $carry_type, $expression); }
    | carry_list COMMA NAME carry_type ASSIGN expression
        { $$ = plait_ast_carries_add(parser, $1, AT($NAME, @NAME), $carry_type, $expression); };
carry_type: %empty { $$ = NULL; }
    | COLON type { $$ = $type; };
along: %empty { $$ = NONE; }
    | ALONG NAME { $$ = AT($NAME, @NAME); };
where: %empty { $$ = NULL; }
    | WHERE expression { $$ = $expression; };

expression: postfix
    | expression[a] IF expression[c] ELSE expression[b] { $$ = plait_ast_conditional(parser, $a, $c, $b); }
    | expression[a] OR expression[b] { $$ = plait_ast_binary(parser, PLAIT_OP_OR, $a, $b); }
    | expression[a] AND expression[b] { $$ = plait_ast_binary(parser, PLAIT_OP_AND, $a, $b); }
    | NOT expression[a] { $$ = plait_ast_unary(parser, @$, PLAIT_OP_NOT, $a); }
    | expression[a] LT expression[b] { $$ = plait_ast_compare(parser, PLAIT_OP_LT, $a, $b); }
    | expression[a] LE expression[b] { $$ = plait_ast_compare(parser, PLAIT_OP_LE, $a, $b); }
    | expression[a] GT expression[b] { $$ = plait_ast_compare(parser, PLAIT_OP_GT, $a, $b); }
    | expression[a] GE expression[b] { $$ = plait_ast_compare(parser, PLAIT_OP_GE, $a, $b); }
    | expression[a] EQ expression[b] { $$ = plait_ast_compare(parser, PLAIT_OP_EQ, $a, $b); }
    | expression[a] NE expression[b] { $$ = plait_ast_compare(parser, PLAIT_OP_NE, $a, $b); }
    | expression[a] PLUS expression[b] { $$ = plait_ast_binary(parser, PLAIT_OP_ADD, $a, $b); }
    | expression[a] MINUS expression[b] { $$ = plait_ast_binary(parser, PLAIT_OP_SUB, $a, $b); }
    | expression[a] TIMES expression[b] { $$ = plait_ast_binary(parser, PLAIT_OP_MUL, $a, $b); }
    | expression[a] DIVIDE expression[b] { $$ = plait_ast_binary(parser, PLAIT_OP_DIV, $a, $b); }
    | expression[a] FLOOR_DIVIDE expression[b] { $$ = plait_ast_binary(parser, PLAIT_OP_FLOORDIV, $a, $b); }
    | expression[a] REMAINDER expression[b] { $$ = plait_ast_binary(parser, PLAIT_OP_MOD, $a, $b); }
    | expression[a] POWER expression[b] { $$ = plait_ast_binary(parser, PLAIT_OP_POW, $a, $b); }
    | MINUS expression[a] %prec NEGATIVE { $$ = plait_ast_unary(parser, @$, PLAIT_OP_NEG, $a); };

postfix: NUMBER { $$ = plait_ast_number(parser, @$, $NUMBER.number, $NUMBER.whole); }
    | INF { $$ = plait_ast_number(parser, @$, plait_syntax_infinity(), false); }
    | TRUE { $$ = plait_ast_truth(parser, @$, true); }
    | FALSE { $$ = plait_ast_truth(parser, @$, false); }
    | NAME { $$ = plait_ast_name(parser, AT($NAME, @NAME)); }
    | OPEN expression CLOSE { $$ = plait_ast_parenthesised(@$, $expression); }
    | called OPEN arguments CLOSE { $$ = plait_ast_call(parser, @$, $called, NULL, $arguments); }
    | NAME axes OPEN arguments CLOSE { $$ = plait_ast_call(parser, @$, AT($NAME, @NAME), $axes, $arguments); }
    | postfix[x] POSITION NAME { $$ = plait_ast_at(parser, @$, $x, NULL, plait_ast_name(parser, AT($NAME, @NAME))); }
    | postfix[x] POSITION NUMBER
        { $$ = plait_ast_at(parser, @$, $x, NULL, plait_ast_number(parser, @NUMBER, $NUMBER.number, $NUMBER.whole)); }
    | postfix[x] POSITION OPEN expression CLOSE { $$ = plait_ast_at(parser, @$, $x, NULL, $expression); }
    | postfix[x] POSITION OPEN_AXES NAME CLOSE_AXES OPEN expression CLOSE
        { $$ = plait_ast_at(parser, @$, $x, &AT($NAME, @NAME), $expression); };

called: NAME { $$ = AT($NAME, @NAME); }
    | SELECT { $$ = AT($SELECT, @SELECT); };
arguments: %empty { $$ = NULL; }
    | argument_list
    | argument_list COMMA;
argument_list: expression { $$ = plait_ast_expressions_add(parser, NULL, $expression); }
    | argument_list COMMA expression { $$ = plait_ast_expressions_add(parser, $1, $expression); };

%%

/* Bison calls this only when its stack is full. */
static void plait_yyerror(const PlaitSpan *span, PlaitParser *parser, const char *message)
{
    (void)message;
    plait_syntax_report_depth(parser, *span);
}

static int yyreport_syntax_error(const yypcontext_t *context, PlaitParser *parser)
{
    enum { MOST = YYNTOKENS };
    yysymbol_kind_t expected[MOST];
    int count = yypcontext_expected_tokens(context, expected, MOST);
    PlaitSyntaxError error = {.span = *yypcontext_location(context)};
    yysymbol_kind_t found = yypcontext_token(context);
    error.found = found == YYSYMBOL_YYEMPTY ? "" : yysymbol_name(found);
    error.reserved = found == YYSYMBOL_RESERVED;
    error.reported = found == YYSYMBOL_BAD_TOKEN;
    for (int i = 0; i < count; i++) error.expected[i] = yysymbol_name(expected[i]);
    error.expected_count = count > 0 ? (uint32_t)count : 0;
    plait_syntax_report(parser, &error);
    return 0;
}

void plait_parse(PlaitParser *parser)
{
    parser->cursor = parser->text;
    plait_yyparse(parser);
}
