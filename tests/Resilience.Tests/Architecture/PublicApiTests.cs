using System.Reflection;
using System.Runtime.CompilerServices;
using Resilience.Backends;

namespace Resilience.Tests.Architecture;

/// <summary>The public API, pinned.</summary>
public sealed class PublicApiTests
{
    private const BindingFlags Declared =
        BindingFlags.Public
        | BindingFlags.NonPublic
        | BindingFlags.Instance
        | BindingFlags.Static
        | BindingFlags.DeclaredOnly;

    private static readonly NullabilityInfoContext Nullability = new();

    [Fact]
    public void PublicApi_IsTheApprovedOne() =>
        Approval.Verify(
            "PublicApi",
            typeof(BackendPool)
                .Assembly.GetExportedTypes()
                .OrderBy(type => type.FullName, StringComparer.Ordinal)
                .SelectMany(type => Members(type).Prepend(Describe(type)))
        );

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
        var bases = new[] { type.BaseType }
            .Where(each =>
                each is not null && each != typeof(object) && each != typeof(ValueType) && each != typeof(Enum)
            )
            .Select(each => NameOf(each!))
            .Concat(
                type.GetInterfaces()
                    .Where(each => each.IsPublic)
                    .Select(each => NameOf(each))
                    .Order(StringComparer.Ordinal)
            )
            .ToArray();
        return $"{kind} {type.FullName}{(type.IsEnum || bases.Length == 0 ? "" : $" : {string.Join(", ", bases)}")}";
    }

    private static IEnumerable<string> Members(Type type) =>
        type.IsEnum
            ? Enum.GetValues(type).Cast<object>().Select(value => $"    {value} = {Convert.ToInt32(value, null)}")
            : type.GetMembers(Declared)
                .Where(member =>
                    member.GetCustomAttribute<CompilerGeneratedAttribute>() is null || member is PropertyInfo
                )
                .Select(Describe)
                .OfType<string>()
                .Order(StringComparer.Ordinal)
                .Select(line => $"    {line}");

    private static string? Describe(MemberInfo member) =>
        member switch
        {
            ConstructorInfo { IsPublic: true } method => $"new({Parameters(method)})",
            MethodInfo method when IsVisible(method) && !method.IsSpecialName => Describe(method),
            // What every record has.
            PropertyInfo { Name: "EqualityContract" } => null,
            PropertyInfo property when IsVisible(property.GetMethod) || IsVisible(property.SetMethod) => Describe(
                property
            ),
            FieldInfo { IsPublic: true, IsLiteral: true } field =>
                $"const {NameOf(field.FieldType)} {field.Name} = {field.GetRawConstantValue()}",
            FieldInfo { IsPublic: true } field => $"field {NameOf(field.FieldType)} {field.Name}",
            EventInfo item when IsVisible(item.AddMethod) => $"event {NameOf(item.EventHandlerType!)} {item.Name}",
            _ => null,
        };

    private static string Describe(MethodInfo method)
    {
        var generic = method.IsGenericMethod
            ? $"<{string.Join(", ", method.GetGenericArguments().Select(NameOf))}>"
            : "";
        var modifiers = string.Concat(
            method.IsFamily || method.IsFamilyOrAssembly ? "protected " : "",
            method.IsStatic ? "static " : "",
            method.IsAbstract ? "abstract "
                : method.GetBaseDefinition() != method ? "override "
                : ""
        );
        var result = NameOf(method.ReturnType, Nullability.Create(method.ReturnParameter));
        return $"{modifiers}{result} {method.Name}{generic}({Parameters(method)})";
    }

    private static string Describe(PropertyInfo property)
    {
        var set =
            property.SetMethod is not { IsPublic: true } setter ? ""
            : setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ? " init;"
            : " set;";
        var name = property.GetIndexParameters() is [_, ..] indexes
            ? $"this[{string.Join(", ", indexes.Select(each => $"{NameOf(each.ParameterType)} {each.Name}"))}]"
            : property.Name;
        var isStatic = property.GetMethod is { IsStatic: true } ? "static " : "";
        return $"{isStatic}{NameOf(property.PropertyType, Nullability.Create(property))} {name} {{{(IsVisible(property.GetMethod) ? " get;" : "")}{set} }}";
    }

    private static bool IsVisible(MethodBase? method) =>
        method is { IsPublic: true } or { IsFamily: true } or { IsFamilyOrAssembly: true };

    private static string Parameters(MethodBase method) =>
        string.Join(
            ", ",
            method
                .GetParameters()
                .Select(each =>
                    $"{Direction(each)}{NameOf(each.ParameterType, Nullability.Create(each))} {each.Name}"
                    + (each.HasDefaultValue ? $" = {each.DefaultValue ?? "default"}" : "")
                )
        );

    private static string Direction(ParameterInfo parameter) =>
        !parameter.ParameterType.IsByRef ? ""
        : parameter.IsOut ? "out "
        : parameter.IsIn ? "in "
        : "ref ";

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
