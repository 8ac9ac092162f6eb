using System.Reflection;
using System.Runtime.CompilerServices;

namespace Resilience.Tests.Architecture;

/// <summary>What of a type a caller can see, as lines of text: whatever differs there can break somebody's build.</summary>
internal static class PublicApiText
{
    private const BindingFlags Declared =
        BindingFlags.Public
        | BindingFlags.NonPublic
        | BindingFlags.Instance
        | BindingFlags.Static
        | BindingFlags.DeclaredOnly;

    private static readonly NullabilityInfoContext Nullability = new();

    /// <summary>The type, and below it its members.</summary>
    public static IEnumerable<string> Of(Type type) => Members(type).Prepend(Describe(type));

    private static string Describe(Type type)
    {
        var kind =
            type.IsEnum ? "enum"
            : type.IsValueType ? "struct"
            : type.IsInterface ? "interface"
            : type is { IsAbstract: true, IsSealed: true } ? "static class"
            : type.IsAbstract ? "abstract class"
            : type.IsSealed ? "sealed class"
            : "class";
        var modifiers = string.Concat(
            type.IsDefined(typeof(IsReadOnlyAttribute), inherit: false) ? "readonly " : "",
            type.IsByRefLike ? "ref " : ""
        );
        var bases = type.IsEnum
            ? [.. new[] { Enum.GetUnderlyingType(type) }.Where(each => each != typeof(int)).Select(NameOf)]
            : Bases(type);
        return $"{Obsolescence(type)}{modifiers}{kind} {type.FullName!.Split('`')[0]}{Generic(type.GetGenericArguments())}"
            + (bases.Length == 0 ? "" : $" : {string.Join(", ", bases)}")
            + Constraints(type.GetGenericArguments());
    }

    private static string[] Bases(Type type) =>
        [
            .. new[] { type.BaseType }
                .Where(each => each is not null && each != typeof(object) && each != typeof(ValueType))
                .Select(each => NameOf(each!))
                .Concat(type.GetInterfaces().Where(each => each.IsPublic).Select(NameOf).Order(StringComparer.Ordinal)),
        ];

    private static IEnumerable<string> Members(Type type) =>
        type.IsEnum
            ? Enum.GetValues(type)
                .Cast<object>()
                .Select(value =>
                    $"    {Obsolescence(type.GetField(value.ToString()!)!)}{value} = {Convert.ToInt32(value, null)}"
                )
            : type.GetMembers(Declared)
                .Where(member =>
                    member.GetCustomAttribute<CompilerGeneratedAttribute>() is null || member is PropertyInfo
                )
                .Select(member => Describe(member) is { } line ? $"{Obsolescence(member)}{line}" : null)
                .OfType<string>()
                .Order(StringComparer.Ordinal)
                .Select(line => $"    {line}");

    private static string? Describe(MemberInfo member) =>
        member switch
        {
            ConstructorInfo { IsStatic: false } method when IsVisible(method) =>
                $"{Access(method)}new({Parameters(method)})",
            MethodInfo method when IsVisible(method) && (!method.IsSpecialName || IsOperator(method)) => Describe(
                method
            ),
            // What every record has.
            PropertyInfo { Name: "EqualityContract" } => null,
            PropertyInfo property when IsVisible(property.GetMethod) || IsVisible(property.SetMethod) => Describe(
                property
            ),
            FieldInfo field when field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly => Describe(field),
            EventInfo item when IsVisible(item.AddMethod) =>
                $"{Modifiers(item.AddMethod!)}event {NameOf(item.EventHandlerType!)} {item.Name}",
            _ => null,
        };

    private static string Describe(MethodInfo method)
    {
        var arguments = method.IsGenericMethod ? method.GetGenericArguments() : [];
        var result = NameOf(method.ReturnType, Nullability.Create(method.ReturnParameter));
        return $"{Modifiers(method)}{result} {method.Name}{Generic(arguments)}({Parameters(method)}){Constraints(arguments)}";
    }

    private static string Describe(PropertyInfo property)
    {
        var accessor = IsVisible(property.GetMethod) ? property.GetMethod! : property.SetMethod!;
        var get = IsVisible(property.GetMethod) ? " get;" : "";
        var name = property.GetIndexParameters() is [_, ..] indexes
            ? $"this[{string.Join(", ", indexes.Select(each => $"{NameOf(each.ParameterType)} {each.Name}"))}]"
            : property.Name;
        var required = property.IsDefined(typeof(RequiredMemberAttribute)) ? "required " : "";
        var type = NameOf(property.PropertyType, Nullability.Create(property));
        return $"{Modifiers(accessor)}{required}{type} {name} {{{get}{SetterOf(property, accessor)} }}";
    }

    private static string SetterOf(PropertyInfo property, MethodInfo accessor)
    {
        if (!IsVisible(property.SetMethod))
        {
            return "";
        }

        var setter = property.SetMethod!;
        var access = accessor.IsPublic ? Access(setter) : "";
        return setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit))
            ? $" {access}init;"
            : $" {access}set;";
    }

    private static string Describe(FieldInfo field)
    {
        var access = field.IsPublic ? "" : "protected ";
        return field.IsLiteral
            ? $"{access}const {NameOf(field.FieldType)} {field.Name} = {field.GetRawConstantValue()}"
            : string.Concat(
                access,
                field.IsStatic ? "static " : "",
                field.IsInitOnly ? "readonly " : "",
                $"field {NameOf(field.FieldType, Nullability.Create(field))} {field.Name}"
            );
    }

    private static bool IsVisible(MethodBase? method) =>
        method is { IsPublic: true } or { IsFamily: true } or { IsFamilyOrAssembly: true };

    private static bool IsOperator(MethodInfo method) => method.Name.StartsWith("op_", StringComparison.Ordinal);

    private static string Access(MethodBase method) => method.IsPublic ? "" : "protected ";

    private static string Modifiers(MethodInfo method) =>
        string.Concat(
            Access(method),
            method.IsStatic ? "static " : "",
            method.IsAbstract ? "abstract "
                : method.GetBaseDefinition() != method ? "override "
                : method is { IsVirtual: true, IsFinal: false } ? "virtual "
                : ""
        );

    /// <summary>
    /// That somebody is told not to use it. The compiler marks some members so too, for older compilers, and then names the
    /// feature that those lack.
    /// </summary>
    private static string Obsolescence(MemberInfo member) =>
        member.GetCustomAttribute<ObsoleteAttribute>(inherit: false) is not { } obsolete
        || member.IsDefined(typeof(CompilerFeatureRequiredAttribute), inherit: false)
            ? ""
            : $"[Obsolete(\"{obsolete.Message}\"{(obsolete.IsError ? ", error" : "")})] ";

    private static string Parameters(MethodBase method) =>
        string.Join(
            ", ",
            method
                .GetParameters()
                .Select(each =>
                    (each.Position == 0 && method.IsDefined(typeof(ExtensionAttribute)) ? "this " : "")
                    + (each.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "")
                    + $"{Direction(each)}{NameOf(each.ParameterType, Nullability.Create(each))} {each.Name}"
                    + (each.HasDefaultValue ? $" = {each.DefaultValue ?? "default"}" : "")
                )
        );

    private static string Direction(ParameterInfo parameter) =>
        !parameter.ParameterType.IsByRef ? ""
        : parameter.IsOut ? "out "
        : parameter.IsIn ? "in "
        : "ref ";

    private static string Generic(Type[] arguments) =>
        arguments.Length == 0 ? "" : $"<{string.Join(", ", arguments.Select(NameOf))}>";

    private static string Constraints(Type[] arguments) =>
        string.Concat(
            arguments
                .Select(each => (each.Name, Constraints: ConstraintsOf(each).ToArray()))
                .Where(each => each.Constraints.Length > 0)
                .Select(each => $" where {each.Name} : {string.Join(", ", each.Constraints)}")
        );

    private static IEnumerable<string> ConstraintsOf(Type argument)
    {
        var attributes = argument.GenericParameterAttributes;
        var isStruct = attributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint);
        var types = argument.GetGenericParameterConstraints().Where(each => each != typeof(ValueType)).ToArray();
        if (isStruct)
        {
            yield return "struct";
        }
        else if (attributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint))
        {
            yield return MayBeNull(argument) ? "class?" : "class";
        }
        else if (types.Length == 0 && !MayBeNull(argument))
        {
            yield return "notnull";
        }

        foreach (var type in types)
        {
            yield return NameOf(type);
        }

        // What is a struct has it anyway.
        if (!isStruct && attributes.HasFlag(GenericParameterAttributes.DefaultConstructorConstraint))
        {
            yield return "new()";
        }

        if (attributes.HasFlag(GenericParameterAttributes.AllowByRefLike))
        {
            yield return "allows ref struct";
        }
    }

    /// <summary>As the compiler has noted it: at the parameter, or once for all around it.</summary>
    private static bool MayBeNull(Type argument)
    {
        const byte NotNull = 1;
        var flag = argument.GetCustomAttribute<NullableAttribute>()?.NullableFlags[0];
        for (
            var around = (MemberInfo?)argument.DeclaringMethod ?? argument.DeclaringType;
            flag is null && around is not null;

        )
        {
            flag = around.GetCustomAttribute<NullableContextAttribute>(inherit: false)?.Flag;
            around = around.DeclaringType;
        }

        return flag != NotNull;
    }

    private static string NameOf(Type type) => NameOf(type, null);

    /// <summary>The type as it is written, with what may be null marked.</summary>
    private static string NameOf(Type type, NullabilityInfo? info)
    {
        if (type.IsByRef)
        {
            return NameOf(type.GetElementType()!, info);
        }

        if (Nullable.GetUnderlyingType(type) is { } value)
        {
            return $"{NameOf(value)}?";
        }

        var mark = !type.IsValueType && info is { ReadState: NullabilityState.Nullable } ? "?" : "";
        if (type.IsArray)
        {
            return $"{NameOf(type.GetElementType()!, info?.ElementType)}[]{mark}";
        }

        var arguments = type.IsGenericType
            ? type.GetGenericArguments()
                .Select((each, i) => NameOf(each, info?.GenericTypeArguments.ElementAtOrDefault(i)))
            : [];
        return type.Name.Split('`')[0] + (type.IsGenericType ? $"<{string.Join(", ", arguments)}>" : "") + mark;
    }
}
